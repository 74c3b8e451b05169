"""What is optional fails without taking anything along."""

from __future__ import annotations

import selectors
import socket

import pytest

from devrunserver.supervisor.optional_parts import (
    ContainedSelector,
    NecessaryFault,
    OptionalParts,
    Part,
    describe_fault,
    uncontained,
)


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.remarks: list[str] = []
        self.optional = OptionalParts(self.lines.append, self.remarks.append)


@pytest.fixture
def told() -> Told:
    return Told()


def fail() -> int:
    raise KeyError("modules")


def test_what_works_returns(told: Told) -> None:
    assert told.optional.call(Part.WEIGHING, divmod, 7, 2) == (3, 1)
    assert not told.optional.off and not told.lines


def test_a_fault_is_told_in_one_line_and_switches_off(told: Told) -> None:
    assert told.optional.call(Part.PREPARING, fail) is None
    assert told.optional.call(Part.PREPARING, divmod, 7, 2) is None, "it is off"
    assert told.optional.call(Part.WEIGHING, divmod, 7, 2) == (3, 1), "the others are not"
    (line,) = told.lines
    assert line == (
        "A fault of devrunserver's own (KeyError: 'modules'): preparing reloads is off until you start the server "
        "again. Please report it; --verbosity 2 shows the traceback."
    )
    (remark,) = told.remarks
    assert remark.startswith("Traceback") and "in fail" in remark


def test_what_ends_the_process_is_not_contained(told: Told) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told.optional.call(Part.PREPARING, interrupt)


def test_what_is_necessary_is_not_contained(told: Told) -> None:
    """Not where an optional part calls it either."""
    with pytest.raises(NecessaryFault, match="KeyError: 'modules'") as raised:
        told.optional.call(Part.TOOLS, uncontained(fail))
    assert isinstance(raised.value.__cause__, KeyError)
    assert not told.optional.off
    assert told.optional.call(Part.TOOLS, uncontained(divmod), 7, 2) == (3, 1)


def test_it_is_cleaned_up_once_and_a_fault_in_that_is_contained(told: Told) -> None:
    cleaned: list[str] = []

    def clean_up() -> None:
        cleaned.append("up")
        fail()

    told.optional.clean_up_with(Part.PREPARING, clean_up)
    told.optional.call(Part.PREPARING, fail)
    told.optional.call(Part.PREPARING, fail)
    with told.optional.contain(Part.PREPARING):
        fail()
    assert cleaned == ["up"] and len(told.lines) == 1


def test_telling_may_be_what_fails() -> None:
    def say(line: str) -> None:
        raise BrokenPipeError

    optional = OptionalParts(say, say)
    assert optional.call(Part.TELLING, fail) is None
    assert optional.off == {Part.TELLING}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (KeyError("modules"), "KeyError: 'modules'"),
        (ValueError(), "ValueError"),
        (ValueError("in\n  two lines"), "ValueError: in two lines"),
    ],
)
def test_describe_fault(fault: Exception, words: str) -> None:
    assert describe_fault(fault) == words


def test_a_contained_selector(told: Told) -> None:
    """Its callbacks are contained; what is registered is closed in the end, whatever was taken out before."""
    with selectors.DefaultSelector() as selector:
        contained = ContainedSelector(selector, told.optional, Part.PREPARING)
        ends = [socket.socketpair() for _ in range(3)]
        for ours, _ in ends:
            contained.register(ours, selectors.EVENT_READ, fail)
        contained.unregister(ends[0][0])
        selector.unregister(ends[1][0])  # somebody else has
        ends[2][1].send(b"x")
        ((key, _),) = selector.select(0)
        key.data()
        assert told.optional.off == {Part.PREPARING}
        contained.close_all()
        assert not selector.get_map()
        assert [ours.fileno() >= 0 for ours, _ in ends] == [True, False, False]
        for pair in ends:
            for one in pair:
                one.close()
