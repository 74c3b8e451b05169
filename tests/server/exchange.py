"""Plays a row of the table of behaviours, with any server."""

from __future__ import annotations

from devrunserver.server.protocol.parser import tokens
from tests.server.table import HIDDEN, LAST, Outcome, Reply, Row
from tests.server.wire import NoAnswer, Wire

ERRORS = 400  # the statuses from here on


def play(wire: Wire, row: Row, outcome: Outcome, exactly: bool = True) -> None:
    """Sends what the row says.

    Args:
        exactly: as ours has to do it. Others may refuse a request by any status of an error or by closing, and may
            close a connection where they say so.

    Raises:
        AssertionError: the outcome is another one.
        NoAnswer: there are too few answers.
    """
    hidden = HIDDEN if outcome.kept is False and not row.ends else ""
    interim: tuple[int, ...] = ()
    if outcome.then:
        wire.send(row.sent)
        interim = (wire.interim(),)
        wire.send(outcome.then + hidden)
    else:
        wire.send(row.sent + hidden)
    if row.ends:
        wire.end_sending()
    is_last = False
    for reply in outcome.replies:
        try:
            is_last = _check(wire, reply, interim, exactly)
        except NoAnswer:
            if exactly or reply.status < ERRORS:
                raise
    if outcome.kept and (exactly or not is_last):
        wire.send(LAST)
        assert wire.answer().body == b"hello", "the next request"
    if outcome.kept is not None:
        assert wire.is_ended(), "something else came"


def _check(wire: Wire, reply: Reply, interim: tuple[int, ...], exactly: bool) -> bool:
    """Whether the answer says that it is the last one."""
    answer = wire.answer(reply.method)
    is_as_said = exactly or reply.status < ERRORS
    if is_as_said:
        assert answer.status == reply.status
        assert reply.body is None or answer.body == reply.body
        assert answer.complete == reply.complete
    else:
        assert answer.status >= ERRORS
    for name, value in reply.headers.items():
        if is_as_said or value is None:
            assert answer[name] == value, name
    if reply.interim is not None:
        assert (*interim, *answer.interim) == reply.interim
    return "close" in tokens(",".join(answer.all("Connection")))
