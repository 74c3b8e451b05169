"""Handlers of audit events: called, taken out, and no harm to the project where they fail."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from devrunserver.checkpoints import audit

told, faults = [], []

def fail(args):
    raise RuntimeError(args[0])

handlers = {"fx.good": told.append, "fx.bad": fail}
audit.listen(handlers, faults.append)
for event in ("fx.good", "fx.bad", "fx.bad", "fx.other"):
    sys.audit(event, event)
handlers.clear()
sys.audit("fx.good", "late")
print(told, [repr(fault) for fault in faults])
"""


def test_a_handler_that_fails_is_taken_out() -> None:
    """In a process of its own, as an audit hook stays for ever."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[('fx.good',)] [\"RuntimeError('fx.bad')\"]\n", done.stderr
