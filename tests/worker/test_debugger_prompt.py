"""A debugger's prompt that waits for its user is seen, whichever thread it is in."""

from __future__ import annotations

import code
import io
import os
import pdb
import sys
import threading
from collections.abc import Callable
from types import FrameType

import pytest

from devrunserver.worker import debugger_prompt

PATIENCE = 30.0  # seconds


def frames(*calls: tuple[str, str]) -> FrameType | None:
    """A stack of frames, the outermost first, of these modules and functions."""
    if not calls:
        return sys._getframe()
    (module, function), *inner = calls
    namespace = {"__name__": module, "frames": frames, "inner": inner}
    exec(f"def {function}(): return frames(*inner)", namespace)
    result: FrameType | None = namespace[function]()  # type: ignore[operator]
    return result


@pytest.mark.parametrize(
    ("calls", "waits"),
    [
        ([], False),
        ([("shop.views", "index")], False),
        ([("shop.views", "index"), ("pdb", "interaction")], True),
        ([("pdb", "cmdloop"), ("cmd", "onecmd"), ("shop.views", "index")], True),
        ([("IPython.terminal.debugger", "interaction")], True),
        ([("IPython.terminal.interactiveshell", "mainloop"), ("prompt_toolkit", "prompt")], True),
        ([("pydevd", "do_wait_suspend")], True),
        ([("code", "interact")], True),
        ([("pdb", "set_trace")], False),
        ([("shop.pdb", "interaction")], False),
        ([("pdbless", "interaction")], False),
    ],
)
def test_in_prompt(calls: list[tuple[str, str]], waits: bool) -> None:
    assert debugger_prompt.in_prompt(frames(*calls)) is waits


def test_no_frame_is_no_prompt() -> None:
    assert not debugger_prompt.in_prompt(None)


class Prompts(io.StringIO):
    """An output that tells when a prompt was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        if "Pdb" in text or ">>>" in text:
            self.written.set()
        return super().write(text)


def debug(stdin: io.TextIOBase, stdout: Prompts) -> None:
    debugger = pdb.Pdb(stdin=stdin, stdout=stdout, nosigint=True, readrc=False)  # type: ignore[arg-type]
    debugger.use_rawinput = False
    debugger.set_trace()
    ""


def interact(stdin: io.TextIOBase, stdout: Prompts) -> None:
    def read(text: str) -> str:
        stdout.write(text)
        line = stdin.readline()
        if not line or line == "c\n":
            raise EOFError
        return line

    console = code.InteractiveConsole()
    console.raw_input = read  # type: ignore[assignment, method-assign]
    console.write = lambda data: None  # type: ignore[method-assign]
    console.interact(banner="", exitmsg="")


@pytest.mark.parametrize("wait_at_prompt", [debug, interact])
def test_a_prompt_is_open_until_it_is_left(wait_at_prompt: Callable[[io.TextIOBase, Prompts], None]) -> None:
    assert debugger_prompt.open_prompt() is None
    reading, writing = os.pipe()
    stdout = Prompts()
    with open(reading) as stdin, open(writing, "w") as keyboard:
        thread = threading.Thread(target=wait_at_prompt, args=(stdin, stdout))
        thread.start()
        assert stdout.written.wait(PATIENCE)
        assert debugger_prompt.open_prompt() == ("(Pdb) " if wait_at_prompt is debug else "")
        keyboard.write("c\n")
        keyboard.flush()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert debugger_prompt.open_prompt() is None
