"""What is prepared, and when: the test plays all processes."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devrunserver.checkpoints.checkpoint import close_carried
from devrunserver.common import file_state
from devrunserver.common.facts import Read
from devrunserver.common.link import Link, LinkClosed, pair
from devrunserver.common.messages import (
    Attributes,
    AttributesAsked,
    Build,
    BuildFailed,
    DryRun,
    FactsRead,
    Hello,
    Message,
    Outlines,
    OutlinesAsked,
    Plan,
    Resume,
    StateReport,
)
from devrunserver.common.role import Role
from devrunserver.supervisor.preparation import manager
from devrunserver.supervisor.preparation.manager import ATTEMPTS, Preparation, explain, out_of_order

NOBODY = 2**30  # a pid that no process has

EXACT, SAME, OTHER = {"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": 3}


class FakeChain:
    """One checkpoint before the URLconf, of which the test holds the other end."""

    def __init__(self) -> None:
        ours, theirs = pair(Role.CHECKPOINT)
        self.link, self.checkpoint = ours, Link(theirs, Role.CHECKPOINT, Role.SUPERVISOR)
        self.is_there = True

    def at(self, place: str) -> FakeChain | None:
        return self if self.is_there and place == manager.PLACE else None


class Played:
    """The process that was forked last, as the test plays it."""

    def __init__(self, message: DryRun | Build) -> None:
        self.message = message
        role = Role.DRY_RUN if isinstance(message, DryRun) else Role.BUILDER
        self.link = Link(message.link, role, Role.SUPERVISOR)
        self.link.send(Hello(NOBODY))

    def hear(self) -> Message | None:
        """The next message; None: the other end is gone."""
        try:
            return self.link.receive()[0]
        except LinkClosed:
            return None


class Stage:
    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.chain = FakeChain()
        self.differences: list[str] = []
        self.told: list[str] = []
        chain: Any = self.chain
        self.preparation = Preparation(self.selector, chain, self.differences.append, self.told.append, enabled=True)
        self._played: list[Played] = []

    def turn(self) -> None:
        """As the supervisor's loop: hears what was said, and does what is due."""
        while ready := self.selector.select(0):
            for key, _ in ready:
                key.data()
        self.preparation.step(time.monotonic())

    def serve(self, edited: str = "/a.py", **state: Any) -> None:
        """A worker serves, and the time of quiet is over."""
        self.preparation.served([edited], True, **state)
        self.preparation.step(time.monotonic() + manager.QUIET + 1)
        self.turn()

    def forked(self, checkpoint: Link | None = None) -> Played:
        """The process that was forked next."""
        [message] = (checkpoint or self.chain.checkpoint).receive()
        assert isinstance(message, DryRun | Build)
        self._played.append(Played(message))
        self.turn()
        return self._played[-1]

    def say(self, played: Played, message: Message) -> None:
        played.link.send(message)
        self.turn()

    def plan(self, modules: list[str], **data: Any) -> None:
        """Plays the first rehearsal."""
        rehearsal = self.forked()
        assert isinstance(rehearsal.message, DryRun)
        assert rehearsal.message.edited == ["/a.py"]
        edges: dict[str, list[str]] = {name: [] for name in modules}
        told = {"seal": "", "modules": modules, "excluded": ["a"], "saves": 1.0, "edges": edges}
        self.say(rehearsal, Plan(**{**told, **data}))

    def build(self, *facts: Read) -> Played:
        """Plays the builder, until it pauses."""
        builder = self.forked()
        assert isinstance(builder.message, Build)
        self.say(builder, FactsRead(list(facts)))
        builder.link.role = Role.CHECKPOINT
        return builder

    def verify(self, builder: Played, exact: dict[str, int], again: dict[str, int]) -> tuple[Played, Played]:
        """Plays both rehearsals."""
        one, other = self.forked(), self.forked(builder.link)
        self.say(other, StateReport(again))
        self.say(one, StateReport(exact))
        return one, other

    def attributes(self, played: Played, **digests: dict[str, int]) -> None:
        asked = played.hear()
        assert asked == AttributesAsked(list(digests))
        self.say(played, Attributes(digests))

    def prepare(self, *facts: Read) -> Played:
        """Up to a checkpoint that is verified."""
        self.serve()
        self.plan(["b", "c"])
        builder = self.build(*facts)
        self.verify(builder, EXACT, SAME)
        return builder

    def resume(self) -> bool:
        ours, theirs = pair(Role.WORKER)
        with theirs:
            ours.close()
            return self.preparation.resume(Resume(theirs, theirs, None, [], True))

    def close(self) -> None:
        self.preparation.forget()
        assert len(self.selector.get_map()) == 0, "all links are closed"
        self.selector.close()
        for played in self._played:
            played.link.close()
        self.chain.link.close()
        self.chain.checkpoint.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


def take_resume(builder: Played) -> None:
    [message] = builder.link.receive()
    assert isinstance(message, Resume)
    close_carried(message)


def test_equal_states_are_verified(stage: Stage) -> None:
    assert not stage.resume()
    builder = stage.prepare()
    assert stage.told == ["Prepared the next reload: 2 modules are imported ahead."]
    assert stage.resume()
    take_resume(builder)


def test_what_is_foreseen_is_not_looked_at_again(stage: Stage, tmp_path: Path) -> None:
    """And counts once."""
    file = tmp_path / "b.py"
    file.write_text("")
    builder = stage.prepare(Read(str(file), file_state.state_of(str(file))))
    stage.preparation.foresee()
    file.unlink()
    assert stage.resume()
    take_resume(builder)
    assert not stage.resume()
    assert "was not expected to change" in stage.preparation.why_not


def test_nothing_serves_before_it_is_verified(stage: Stage) -> None:
    stage.serve()
    assert not stage.resume()
    stage.plan(["b"])
    assert not stage.resume()
    stage.build()
    assert not stage.resume()
    assert stage.preparation.why_not == "what is prepared was not verified yet"


@pytest.mark.parametrize("data", [{"seal": "a thread runs"}, {"saves": 0.01}])
def test_not_worth_it(stage: Stage, data: dict[str, Any]) -> None:
    stage.serve()
    stage.plan(["b"], **data)
    assert stage.preparation.why_not == data.get("seal", stage.preparation.why_not)
    assert stage.preparation.why_not
    stage.serve()
    assert not stage.chain.checkpoint.is_readable()  # given up, until something else changes
    stage.preparation.changed("/other.py")
    stage.serve()
    assert isinstance(stage.forked().message, DryRun)


def test_an_edit_of_the_file_itself_disturbs_only_the_verification(stage: Stage) -> None:
    stage.serve()
    stage.preparation.changed("/a.py")
    stage.plan(["b"])
    stage.preparation.changed("/a.py")
    builder = stage.build()
    one, other = stage.forked(), stage.forked(builder.link)
    stage.preparation.changed("/a.py")
    assert one.hear() is None
    assert other.hear() is None
    assert not stage.resume()
    stage.serve()
    stage.verify(builder, EXACT, SAME)
    assert stage.resume()


def test_an_edit_of_another_file_ends_building(stage: Stage) -> None:
    stage.serve()
    rehearsal = stage.forked()
    stage.preparation.changed("/b.py")
    assert rehearsal.hear() is None


def test_what_it_has_read_must_not_have_changed(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "b.py"
    file.write_text("1")
    stage.prepare(Read(str(file), file_state.state_of(str(file))))
    assert stage.resume()
    file.write_text("22")
    assert not stage.resume()
    assert stage.preparation.why_not == f"{file} was not expected to change"
    stage.serve()
    stage.plan(["b"])  # everything anew


def test_what_cannot_be_imported_ahead_is_left_out(stage: Stage) -> None:
    stage.serve()
    stage.plan(["b", "c", "d"], edges={"b": [], "c": ["b"], "d": []})
    builder = stage.forked()
    assert builder.message == Build(builder.message.link, ["b", "c", "d"], ["a"])
    stage.say(builder, BuildFailed("b", "it imports a"))
    assert builder.hear() is None
    builder = stage.forked()
    assert builder.message == Build(builder.message.link, ["d"], ["a", "b", "c"])


def test_it_is_given_up_in_the_end(stage: Stage) -> None:
    names = [f"m{number}" for number in range(ATTEMPTS + 2)]
    stage.serve()
    stage.plan(names)
    for name in names[:ATTEMPTS]:
        stage.say(stage.forked(), BuildFailed(name, "no"))
    assert not stage.chain.checkpoint.is_readable()
    assert stage.preparation.why_not == f"{names[ATTEMPTS - 1]} cannot be imported ahead: no"


def differ(stage: Stage, builder: Played, twin: dict[str, int]) -> tuple[Played, Played]:
    """Plays rehearsals of which the prepared one differs in b.x, and another exact one."""
    one, other = stage.verify(builder, EXACT, OTHER)
    stage.attributes(one, b={"x": 1, "y": 1})
    stage.attributes(other, b={"x": 2, "y": 1})
    stage.say(stage.forked(), StateReport(twin))
    return one, other


def test_what_differs_between_exact_starts_too_does_not_count(stage: Stage) -> None:
    stage.serve()
    stage.plan(["b"])
    builder = stage.build()
    one, other = stage.verify(builder, EXACT, OTHER)
    stage.attributes(one, b={"x": 1, "y": 1})
    stage.attributes(other, b={"x": 2, "y": 1})
    twin = stage.forked()
    stage.say(twin, StateReport(OTHER))
    stage.attributes(one, b={"x": 1, "y": 1})
    stage.attributes(twin, b={"x": 3, "y": 1})
    assert stage.preparation.volatile == {("b", "x")}
    assert stage.told[0] == "Different at each start, and not compared: b.x."
    assert stage.resume()


def test_the_culprits_are_left_out(stage: Stage) -> None:
    stage.serve()
    stage.plan(["b", "c", "d"])
    builder = stage.build()
    one, other = differ(stage, builder, EXACT)
    for played, outline in ((one, [["c", "f"], ["a", "f"]]), (other, [["a", "f"], ["c", "f"]])):
        asked = played.hear()
        assert asked == OutlinesAsked([("b", "x")])
        stage.say(played, Outlines([("b", "x", outline)]))
    assert stage.told == ["Not prepared: the order of imports shows in b.x, because of c."]
    assert builder.hear() is None
    builder = stage.forked()
    assert builder.message == Build(builder.message.link, ["b", "d"], ["a", "c"])


def serve_what_differs(stage: Stage) -> None:
    """Serves from a verified checkpoint, in a state that turns out to be another than an exact start's."""
    builder = stage.prepare()
    assert stage.resume()
    take_resume(builder)
    stage.serve()
    one, other = differ(stage, builder, EXACT)
    for played in (one, other):
        assert played.hear()
        stage.say(played, Outlines([]))


def test_a_worker_that_differs_is_replaced(stage: Stage) -> None:
    serve_what_differs(stage)
    assert stage.differences == ["the order of imports shows in b.x, because of b"]
    assert not stage.resume()


@pytest.mark.parametrize("exact_fails", [True, False])
def test_a_worker_that_fails(stage: Stage, exact_fails: bool) -> None:
    """It is right if an exact start fails too."""
    builder = stage.prepare()
    assert stage.resume()
    take_resume(builder)
    stage.serve(broken=True)
    rehearsal = stage.forked()
    if exact_fails:
        rehearsal.link.close()
        stage.turn()
        assert stage.differences == []
    else:
        stage.say(rehearsal, StateReport(EXACT))
        assert stage.differences == ["a fresh start does not fail"]


def witness_socket(stage: Stage) -> socket.socket:
    theirs = stage.preparation.witness()
    assert theirs is not None
    return theirs


def test_the_witness_speaks_for_an_exact_worker(stage: Stage) -> None:
    stage.serve()
    stage.plan(["b"])
    builder = stage.build()
    one, other = stage.forked(), stage.forked(builder.link)
    stage.preparation.changed("/a.py")
    theirs = witness_socket(stage)
    assert (one.hear(), other.hear()) == (None, None)
    witness = Link(theirs, Role.STATE_REPORTER, Role.SUPERVISOR)
    witness.send(StateReport(EXACT))  # before it is asked
    stage.turn()
    stage.serve()
    stage.say(stage.forked(builder.link), StateReport(SAME))
    assert stage.resume()
    assert not stage.chain.checkpoint.is_readable()
    witness.close()


def test_the_witness_of_a_worker_that_replaces_one_speaks_for_an_exact_one(stage: Stage) -> None:
    """It was resumed without asking what is prepared."""
    serve_what_differs(stage)
    theirs = witness_socket(stage)
    witness = Link(theirs, Role.STATE_REPORTER, Role.SUPERVISOR)
    stage.serve()
    builder = stage.build()
    stage.say(stage.forked(builder.link), StateReport(OTHER))
    witness.send(StateReport(EXACT))
    stage.turn()
    assert not stage.resume()
    witness.close()


def test_a_witness_that_is_gone_is_replaced_by_a_rehearsal(stage: Stage) -> None:
    stage.serve()
    stage.plan(["b"])
    builder = stage.build()
    stage.preparation.changed("/a.py")
    for message in [*stage.chain.checkpoint.receive(), *builder.link.receive()]:
        assert isinstance(message, DryRun)
        message.link.close()  # who was to rehearse has ended
    theirs = witness_socket(stage)
    theirs.close()
    stage.turn()
    stage.serve()
    stage.say(stage.forked(builder.link), StateReport(SAME))
    stage.say(stage.forked(), StateReport(EXACT))
    assert stage.resume()


def test_a_rehearsal_that_dies_before_it_is_waited_for(stage: Stage) -> None:
    stage.serve()
    stage.plan(["b"])
    builder = stage.build()
    one, other = stage.forked(), stage.forked(builder.link)
    other.link.close()
    stage.turn()
    stage.say(one, StateReport(EXACT))
    assert stage.preparation.why_not == "a start in the background failed"
    assert stage.preparation.due is None


def test_a_prepared_checkpoint_that_has_died(stage: Stage) -> None:
    builder = stage.prepare()
    builder.link.close()
    stage.turn()
    assert not stage.resume()


def test_nothing_without_a_checkpoint_before_the_urlconf(stage: Stage) -> None:
    stage.prepare()
    stage.chain.is_there = False
    assert not stage.resume()
    stage.serve()
    assert not stage.chain.checkpoint.is_readable()
    assert stage.preparation.due is None


def test_nothing_where_memory_is_low(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "is_memory_low", lambda: True)
    stage.serve()
    assert not stage.chain.checkpoint.is_readable()
    assert stage.preparation.why_not == "memory is low"


def test_it_can_be_switched_off(stage: Stage) -> None:
    chain: Any = stage.chain
    off = Preparation(stage.selector, chain, stage.differences.append, stage.told.append, enabled=False)
    off.served(["/a.py"], True)
    assert off.due is None
    assert off.witness() is None


def test_the_first_start_is_left_alone_for_longer(stage: Stage) -> None:
    now = time.monotonic()
    stage.preparation.served(["/a.py"], False)
    assert stage.preparation.due is not None
    assert stage.preparation.due >= now + manager.FIRST_QUIET


A, B, C, D = ("a", "f"), ("b", "f"), ("c", "f"), ("d", "f")


@pytest.mark.parametrize(
    ("exact", "prepared", "expected"),  # c and d are planned
    [
        ([A, B, C], [A, B, C], set()),
        ([A, C], [C, A], {"c"}),
        ([C, A], [A, C], {"c"}),
        ([A, C, D, B], [C, A, D, B], {"c"}),
        ([A, C, D, B], [C, D, A, B], {"c", "d"}),
        ([A, B], [B, A], set()),  # of which none is planned
        ([A, C], [A], {"c"}),
        ([A], [A, C], {"c"}),
        ([], [], set()),
        ([A, C, A, C], [A, C, C, A], {"c"}),
    ],
)
def test_out_of_order(exact: list[Any], prepared: list[Any], expected: set[str]) -> None:
    assert out_of_order(exact, prepared, {"c", "d"}) == expected


def test_explain() -> None:
    assert explain({("m", "x")}, []) == "the order of imports shows in m.x"
    assert (
        explain({("m", "y"), ("m", "x")}, ["b", "a"]) == "the order of imports shows in m.x and 1 more, because of a, b"
    )
