"""Other addresses than in processes that were forked from the same one."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")

CHILDREN = 4


@pytest.mark.parametrize(("noise", "differs"), [("lambda: None", False), ("AddressNoise().add", True)])
def test_an_order_that_comes_from_addresses_is_another_one(noise: str, differs: bool) -> None:
    """Of as many objects as a project may have in a set, each made by another module."""
    code = f"""
        import os
        from devrunserver.background.address_noise import AddressNoise

        class Receiver:
            pass

        for child in range({CHILDREN}):
            if not os.fork():
                add, receivers = {noise}, []
                for _ in range(100):
                    add()
                    receivers.append(Receiver())
                numbers = {{receiver: number for number, receiver in enumerate(receivers)}}
                print([numbers[receiver] for receiver in set(receivers)], flush=True)
                os._exit(0)
            os.wait()
    """
    ran = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60, check=True)
    orders = ran.stdout.splitlines()
    assert len(orders) == CHILDREN
    assert (len(set(orders)) > 1) is differs
