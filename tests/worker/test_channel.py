"""What a worker hears, and when it ends because of it: the test plays the supervisor."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from devrunserver.common.messages import Changed, Fresh, Go, Hello, Listening, PromptLeft, Stop
from devrunserver.common.process_exit import FAILURE
from devrunserver.worker.channel import Channel
from tests.worker.played import PATIENCE, Exits, Left, Supervisor, exits, link_pair

__all__ = ["exits"]


@pytest.fixture
def ends(exits: Exits) -> Iterator[tuple[Supervisor, Channel]]:
    with link_pair() as (supervisor, link):
        channel = Channel(link)
        yield supervisor, channel
        supervisor.link.close()
        if channel.is_listening:
            exits.wait()
        channel.close()


def test_the_word_to_serve_is_waited_for(ends: tuple[Supervisor, Channel]) -> None:
    """What else comes before there is a thread to hear it is of no interest."""
    supervisor, channel = ends
    supervisor.say(Fresh())
    supervisor.say(Stop())
    assert channel.wait_for(Stop) == Stop()


def test_who_waits_for_a_supervisor_that_is_gone_ends(ends: tuple[Supervisor, Channel], exits: Exits) -> None:
    supervisor, channel = ends
    supervisor.link.close()
    with pytest.raises(Left):
        channel.wait_for(Go)
    assert exits.statuses == [FAILURE]


def test_handlers_are_called_in_order_on_one_thread(ends: tuple[Supervisor, Channel]) -> None:
    supervisor, channel = ends
    heard: list[tuple[object, str]] = []
    done = threading.Event()
    channel.handlers = {
        Changed: lambda message: heard.append((message, threading.current_thread().name)),
        Stop: lambda message: done.set(),
    }
    channel.listen()
    channel.listen()  # again is harmless
    for number in range(3):
        supervisor.say(Changed(number, ["/a.py"]))
    supervisor.say(Stop())
    assert done.wait(PATIENCE)
    assert heard == [(Changed(number, ["/a.py"]), "devrunserver-link") for number in range(3)]
    assert supervisor.heard() == [Listening()]


def test_the_end_of_the_supervisor_is_the_end(ends: tuple[Supervisor, Channel], exits: Exits) -> None:
    supervisor, channel = ends
    channel.listen()
    supervisor.link.close()
    assert exits.wait() == [FAILURE]


def test_sending_to_nobody_ends_who_does_not_listen(ends: tuple[Supervisor, Channel], exits: Exits) -> None:
    supervisor, channel = ends
    supervisor.link.close()
    with pytest.raises(Left):
        channel.send(PromptLeft())
    assert exits.statuses == [FAILURE]


def test_sending_to_nobody_is_left_to_the_thread_that_listens(ends: tuple[Supervisor, Channel], exits: Exits) -> None:
    supervisor, channel = ends
    channel.listen()
    supervisor.link.close()
    channel.send(PromptLeft())
    assert exits.wait() == [FAILURE]


def test_a_handler_that_fails_starts_the_worker_anew(
    ends: tuple[Supervisor, Channel], exits: Exits, capfd: pytest.CaptureFixture[str]
) -> None:
    supervisor, channel = ends

    def fail(message: Fresh) -> None:
        raise RuntimeError("no idea")

    channel.handlers = {Fresh: fail}
    channel.listen()
    supervisor.say(Fresh())
    assert exits.wait() == [FAILURE]
    what, follows = "what follows from Fresh has failed (RuntimeError('no idea'))", "the server process starts again"
    assert capfd.readouterr().err == f"devrunserver: {what} and {follows}.\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"kind": "Greet"}\n', "nobody knows the message 'Greet'"),
        (b'{"kind": "Stop", "when": 1}\n', "Stop has no field 'when'"),
    ],
)
def test_a_supervisor_of_another_version(
    ends: tuple[Supervisor, Channel], exits: Exits, capfd: pytest.CaptureFixture[str], line: bytes, why: str
) -> None:
    supervisor, channel = ends
    channel.listen()
    supervisor.link._socket.sendall(line)
    assert exits.wait() == [FAILURE]
    assert why in capfd.readouterr().err


def test_messages_of_the_worker_arrive(ends: tuple[Supervisor, Channel]) -> None:
    supervisor, channel = ends
    channel.send(Hello(5, ["a.toml"]))
    assert supervisor.hear() == Hello(5, ["a.toml"])
