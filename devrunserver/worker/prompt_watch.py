"""Tells the supervisor when a debugger's prompt has been left, for which a reload waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from devrunserver.common import faults
from devrunserver.common.messages import Message, PromptLeft
from devrunserver.worker import debugger_prompt

INTERVAL = 0.2  # seconds between two looks whether the prompt has been left


class PromptWatch:
    """Looks again and again, on a thread, while there is something to look for.

    Args:
        send: sends a message to the supervisor.
        leaving: set when this process is to leave.
    """

    def __init__(self, send: Callable[[Message], None], leaving: threading.Event) -> None:
        self._send = send
        self._leaving = leaving
        self._is_running = False

    def start(self) -> None:
        """Somebody is at a prompt. Again is harmless."""
        if not self._is_running:
            self._is_running = True
            run = faults.guarded("the look at the debugger's prompt", self._run)
            threading.Thread(target=run, name="devrunserver-prompt", daemon=True).start()

    def _run(self) -> None:
        try:
            while debugger_prompt.open_prompt() is not None and not self._leaving.wait(INTERVAL):
                pass
        finally:  # or else the reload would wait for ever
            self._is_running = False
            self._send(PromptLeft())
