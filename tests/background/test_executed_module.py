"""The module whose body is executed, in a process of its own: what a walk along the stack finds, by fewer walks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.live import REPOSITORY

MODULES = {
    "helper.py": "def ask():\n    import program\n    program.ask()",
    "nested.py": "import helper\nhelper.ask()\nhelper.ask()",
    "outer.py": "import helper\nhelper.ask()\nimport nested\nhelper.ask()\nhelper.ask()",
    "failing.py": "import helper\nhelper.ask()\nraise ValueError",
    "thread.py": "import helper, threading\nhelper.ask()\n"
    "one = threading.Thread(target=helper.ask)\none.start()\none.join()\nhelper.ask()",
    "text.py": "import helper\nhelper.ask()\n"
    "exec('helper.ask()', {'helper': helper, '__name__': 'a text'})\nhelper.ask()",
    # what a loader of plugins does: nothing but the body itself tells that it is executed
    "by_hand.py": "import helper\n"
    "from importlib.util import module_from_spec, spec_from_file_location\n"
    "def load():\n"
    "    spec = spec_from_file_location('plugin', __file__.replace('by_hand', 'plugin'))\n"
    "    spec.loader.exec_module(module_from_spec(spec))\n"
    "    helper.ask()\n"
    "helper.ask()\nload()\nload()",
    "plugin.py": "import helper\nhelper.ask()\nhelper.ask()",
    "program.py": """
import contextlib, json, sys
sys.path.insert(0, {repository!r})
from devrunserver.background import executed_module
from devrunserver.common import module_files

sys.modules["program"] = sys.modules["__main__"]
kept, walks, found = executed_module.ExecutedModule(), [], []
executed_module.executed = lambda: (walks.append(1), module_files.executed())[1]
sys.addaudithook(lambda event, args: kept.on_body(args) if event == "exec" else None)


def ask():
    found.append((kept.name(), module_files.executed()))


ask()
ask()
for name in ("outer", "nested", "failing", "thread", "text", "by_hand"):
    with contextlib.suppress(ValueError):
        __import__(name)
    ask()
    ask()
print(json.dumps([found, len(walks)]))
""",
}


def test_it_is_what_a_walk_finds(tmp_path: Path) -> None:
    for path, source in MODULES.items():
        (tmp_path / path).write_text(source.replace("{repository!r}", repr(str(REPOSITORY))))
    told = subprocess.check_output([sys.executable, tmp_path / "program.py"])
    found, walks = json.loads(told)
    assert [kept for kept, _ in found] == [walked for _, walked in found]
    modules = {"__main__", "outer", "nested", "failing", "thread", "text", "by_hand", "plugin", "a text", ""}
    assert {walked for _, walked in found} == modules, "there are all these cases"
    assert walks < len(found) * 0.8
