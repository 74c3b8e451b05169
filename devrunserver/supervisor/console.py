"""What the user is told of reloads: one line each, and the reasons for who asks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from devrunserver.common.facts import (
    Answered,
    AskedServer,
    Fact,
    Linked,
    Listed,
    Named,
    Opened,
    Queried,
    Read,
    why_broken,
)
from devrunserver.common.messages import Serving
from devrunserver.common.shown_path import shown_path

WORTH_A_HINT = 0.2  # seconds
WORTH_A_ROW = 0.005  # seconds
REMEDY = "A reload repeats what is imported from there on; where that happens on first use instead, it need not."
VERBOSE = 2  # from which --verbosity on reasons are told


class Console:
    """Tells the user.

    Args:
        say: prints one line.
        verbosity: Django's.
        explains: whether each reload is explained.
        tell_ready: says that the first worker answers.
        explains_start: whether the first start is explained.
        log: takes what becomes of each start, for programs; None: nobody wants it.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        verbosity: int = 1,
        explains: bool = False,
        tell_ready: Callable[[], None] = lambda: None,
        explains_start: bool = False,
        log: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._log = log
        self._explains_start = explains_start
        self._print = say
        self._print_ready = tell_ready
        self._verbosity = verbosity
        self._explains = explains
        self._ended: dict[str, str] = {}  # by reason, what was said

    def say(self, line: str) -> None:
        """Prints a line. Where that cannot be done (a closed terminal, a full disk) nothing happens."""
        with suppress(Exception):
            self._print(line)

    def tell_ready(self) -> None:
        """The first worker answers."""
        with suppress(Exception):
            self._print_ready()

    def log_ready(self, generation: int, path: str | None, seconds: float | None, message: Serving) -> None:
        """A worker serves: after a reload for the change of a path, which took so many seconds, or at first."""
        reload = {
            "path": path,
            "seconds": round(seconds, 3) if seconds is not None else None,
            "resumed_at": message.resumed_at or None,
            "prepared": message.prepared,
        }
        self._tell_programs("ready", generation, reload=reload if seconds is not None else None)

    def log_broken(self, generation: int, error: Mapping[str, Any]) -> None:
        """A worker shows the error that keeps the project from starting."""
        told = {name: error.get(name) for name in ("type", "message", "file", "line")}
        self._tell_programs("broken", generation, error=told)

    def _tell_programs(self, event: str, generation: int, **fields: Any) -> None:
        if self._log is not None:
            self._log({"event": event, "time": round(time.time(), 3), "generation": generation, **fields})

    def reloaded(self, path: str, seconds: float, message: Serving) -> None:
        """A reload is done."""
        how = f"resumed at {message.resumed_at}" if message.resumed_at else "started afresh"
        how += ", prepared" * message.prepared + ", from a spare" * message.from_spare
        self.say(f"{shown_path(path) or 'Something'} changed: reloaded in {seconds:.2f} s ({how})")

    def waits_for_prompt(self, path: str, prompt: str) -> None:
        """A reload has to wait for a debugger's prompt, which is printed anew: what we say stands behind it."""
        self.say(f"{shown_path(path)} changed. The reload waits until you leave the debugger prompt.")
        if prompt:
            sys.stderr.write(prompt)
            sys.stderr.flush()

    def remark(self, line: str) -> None:
        """Something that only those want to know who want to know it all."""
        if self._verbosity >= VERBOSE or self._explains:
            self.say(line)

    def explain(self, message: Serving, reason: str, why_not_prepared: str = "") -> None:
        """What a reload consisted of, and why it was not quicker.

        Args:
            reason: why it was not resumed later.
            why_not_prepared: why it was not prepared.
        """
        if self._verbosity >= VERBOSE or self._explains:
            if reason and not message.prepared:
                self.say(f"  {'not resumed later' if message.resumed_at else 'not resumed'}: {reason}")
            if why_not_prepared and not message.prepared:
                self.say(f"  not prepared: {why_not_prepared}")
        if self._explains:
            slowest = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in message.slowest if seconds >= 0.01)
            self.say(f"  {message.imported} modules were imported in {message.seconds:.2f} s")
            if slowest and not message.parts:
                self.say(f"  the slowest, without what they import: {slowest}")
            if message.installed_seconds > max(WORTH_A_HINT, message.seconds / 2):
                self.say(
                    f"  {message.installed_seconds:.2f} s of that went into installed packages; what is imported "
                    "before your modules, as by an app above yours in INSTALLED_APPS, is not imported again"
                )
            for line in self._ended.values():
                self.say(f"  {line}")
            self._tell_times(message)

    def explain_start(self, message: Serving) -> None:
        """What the first start consisted of."""
        if self._explains_start:
            self.say(f"  {message.imported} modules were imported")
            self._tell_times(message)

    def _tell_times(self, message: Serving) -> None:
        """What took the time, as a table."""
        if message.phases:
            total = sum(seconds for _, seconds in message.phases)
            told = [f"{name} {seconds:.2f}" for name, seconds in message.phases if seconds >= WORTH_A_ROW]
            self.say(f"  {total:.2f} s: {', '.join(told)}")
        for name, count, seconds in message.parts:
            if seconds >= WORTH_A_ROW:
                modules = f" ({count} modules)" if count > 1 else ""
                self.say(f"  {seconds:7.2f} s  {name}{modules}")

    def checkpoints_ended(self, at: str, reason: str) -> None:
        """No checkpoint can be made from somewhere on; said once."""
        if reason not in self._ended:
            line = f"No checkpoints from {at} on: {reason}. {REMEDY}"
            self._ended[reason] = line
            self.say(line)


def describe(fact: Fact | None) -> str:
    """A fact that holds no more."""
    match fact:
        case Read(path, state):
            return f"{shown_path(path)} {'changed' if state else 'appeared'}"
        case Answered(directory, _, name):
            return f"what is found as {name} in {shown_path(directory)} changed"
        case Listed(directory):
            return f"the names in {shown_path(directory)}, which were listed, changed"
        case Linked(directory):
            return f"{shown_path(directory)} leads elsewhere"
        case Queried(path):
            return f"what the start asked {shown_path(path)} has another answer"
        case AskedServer():
            return why_broken(fact)
        case Opened(path):
            return f"{shown_path(path)} is another file"
        case Named(path):
            return why_broken(fact._replace(path=shown_path(path)))
    return ""
