"""What a worker says to its supervisor, and hears.

While it starts it must be the only thread, so it does not hear; one message alone is waited for, the word to serve.
From the moment that no more checkpoints can be made a thread listens, and calls the handler of each message. The end of
the link is the end of the supervisor, and so of this process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from devrunserver.common import faults, process_exit
from devrunserver.common.link import Link, LinkClosed
from devrunserver.common.messages import HistoryAsked, Listening, Message, MessageError

Kind = TypeVar("Kind", bound=Message)
Handler = Callable[[Any], None]

# What serving does not need: a fault in its handler has no consequence
OPTIONAL: frozenset[type[Message]] = frozenset({HistoryAsked})


class Channel:
    """This process' end of the conversation.

    Args:
        link: to the supervisor.
    """

    def __init__(self, link: Link) -> None:
        self.handlers: dict[type[Message], Handler] = {}
        self.is_listening = False
        self.link = link

    def fileno(self) -> int:
        return self.link.fileno()

    def send(self, message: Message) -> None:
        """Sends a message. Where the supervisor is gone this process ends, now or as soon as the thread hears of it."""
        try:
            self.link.send(message)
        except LinkClosed:
            if not self.is_listening:
                process_exit.leave(process_exit.FAILURE)

    def wait_for(self, kind: type[Kind]) -> Kind:
        """The next message of one kind, before there is a thread that listens."""
        for message in self.link.messages():
            if isinstance(message, kind):
                return message
        return process_exit.leave(process_exit.FAILURE)

    def listen(self) -> None:
        """Starts to listen, on a thread. Again is harmless."""
        if not self.is_listening:
            self.is_listening = True
            threading.Thread(target=self._listen, name="devrunserver-link", daemon=True).start()
            self.send(Listening())

    def close(self) -> None:
        self.link.close()

    def _listen(self) -> None:
        try:
            for message in self.link.messages():
                self._hear(message)
        except MessageError as error:  # as where the package was updated under a supervisor that runs
            faults.tell("the link to the supervisor", error, "the server process starts again")
        process_exit.leave(process_exit.FAILURE)  # nothing that we could still do is wanted

    def _hear(self, message: Message) -> None:
        try:
            self.handlers[type(message)](message)
        except Exception as error:
            if type(message) in OPTIONAL:
                faults.tell(f"what follows from {type(message).__name__}", error, "is left out")
                return
            # a fault of ours: what this process would do next is not certain
            faults.tell(f"what follows from {type(message).__name__}", error, "the server process starts again")
            process_exit.leave(process_exit.FAILURE)
