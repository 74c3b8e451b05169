"""The row of checkpoints as the supervisor knows it, with socket pairs and processes that only look like some."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.common import file_state
from devrunserver.common.facts import Answered, AskedServer, Fact, Listed, Read, ResumePoint
from devrunserver.common.link import Link, LinkClosed
from devrunserver.common.messages import FactsRead, Message, Resume
from devrunserver.common.present import Present
from devrunserver.common.role import Role
from devrunserver.supervisor import checkpoint_chain
from devrunserver.supervisor.checkpoint_chain import LEAST_MEMORY, OWN, RESIDENT, SHARE, Chain, least_useful, memory_of

LONG_AGO = 1_600_000_000  # seconds since the epoch
WORKER = 4711  # a pid


def resume_point(chain: Chain) -> ResumePoint:
    """The resume point as of now."""
    with closing(Present()) as present:
        return chain.resume_point(present)


class FakeProcess:
    """A process that ends when it is told to, or when a test says so."""

    def __init__(self, pid: int, ends: bool = True) -> None:
        self.pid = pid
        self.status: int | None = None
        self.signals: list[str] = []
        self.ends = ends

    def poll(self) -> int | None:
        return self.status

    def wait(self, timeout: float) -> int:
        if self.status is None:
            raise TimeoutExpired("", timeout)
        return self.status

    def terminate(self) -> None:
        self.signals.append("TERM")

    def kill(self) -> None:
        self.signals.append("KILL")
        if self.ends:
            self.status = -9


@dataclass
class Row:
    """A chain, and the other side of it: the checkpoints."""

    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    limit: int = 10
    memory: float | None = 100.0
    edited: list[str] = field(default_factory=list)
    links: dict[int, Link] = field(default_factory=dict)
    processes: dict[int, FakeProcess] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chain = Chain(self.selector, self.limit, self.memory, lambda: self.edited)

    def add(self, number: int, facts: Iterable[Fact] | None = (), cost: float = 1.0) -> None:
        """A checkpoint comes, and tells its facts at once, or later (None)."""
        ours, theirs = socket.socketpair()
        self.links[number], self.processes[number] = (
            Link(theirs, Role.CHECKPOINT, Role.SUPERVISOR),
            FakeProcess(1000 + number),
        )
        self.chain.add(number, f"module{number}", cost, ours, self.processes[number])
        if facts is not None:
            self.tell(number, facts)

    def tell(self, number: int, facts: Iterable[Fact]) -> None:
        self.links[number].send(FactsRead(list(facts)))
        self.hear()

    def hear(self) -> None:
        for key, _ in self.selector.select(0):
            key.data()

    def resume(self, number: int, message: Resume | None = None) -> bool:
        self.chain.cut(number)
        with socket.socket() as one:
            return self.chain.resume(message or Resume(one, one, None, [], True))

    def told(self, number: int) -> list[Message] | None:
        """What a checkpoint has been told since it was asked last; None: it was dropped."""
        try:
            return self.links[number].receive() if self.links[number].is_readable() else []
        except LinkClosed:
            return None

    @property
    def there(self) -> list[int]:
        """The checkpoints that were not dropped. Takes what they were told."""
        return [number for number in self.links if self.told(number) is not None]

    def close(self) -> None:
        self.chain.close(patience=0.0)
        for one in self.links.values():
            one.close()
        self.selector.close()


@pytest.fixture
def row() -> Iterator[Row]:
    row = Row()
    yield row
    row.close()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"{name}.py" for name in "abcd"]
    for file in files:
        file.write_text("one")
        os.utime(file, (LONG_AGO, LONG_AGO))
    os.utime(tmp_path, (LONG_AGO, LONG_AGO))
    return files


def read(file: Path) -> Read:
    return Read(str(file), file_state.state_of(str(file)))


@pytest.mark.parametrize(("changed", "number"), [(None, 3), (0, None), (1, 1), (2, 2), (3, 3)])
def test_resume_point(row: Row, files: list[Path], changed: int | None, number: int | None) -> None:
    assert not row.chain
    for one, file in enumerate(files[:3], 1):
        row.add(one, [read(file)])
    assert row.chain
    obstacle = None
    if changed is not None:
        obstacle = read(files[changed]) if changed < 3 else None
        files[changed].write_text("two")
    assert resume_point(row.chain) == (number, obstacle)


def test_empty_row(row: Row) -> None:
    assert resume_point(row.chain) == (None, None)
    assert row.chain.pids == set()
    assert not row.chain.is_outdated("/a.py")
    row.chain.cut()
    row.chain.look_after()
    row.chain.weigh(WORKER)
    assert not row.chain


def test_every_kind_of_fact_is_compared_with_the_disk(row: Row, files: list[Path], tmp_path: Path) -> None:
    state = file_state.directory_state(str(tmp_path))
    row.add(1, [Answered(str(tmp_path), state, "local", ()), Read(str(tmp_path / "local.txt"), None)])
    row.add(2, [Listed(str(tmp_path), file_state.directory_state(str(tmp_path)), file_state.digest_of(str(tmp_path)))])
    assert resume_point(row.chain).number == 2
    (tmp_path / "new.txt").touch()
    assert resume_point(row.chain).number == 1
    (tmp_path / "new.txt").unlink()
    assert resume_point(row.chain).number == 2
    (tmp_path / "local").mkdir()
    assert resume_point(row.chain).number is None


def test_facts_that_arrive_late(row: Row, files: list[Path]) -> None:
    row.add(1, [read(files[0])])
    row.add(2, None)
    row.add(3, [read(files[2])])
    assert resume_point(row.chain) == (1, None)  # what 2 relies on is not known
    row.tell(2, [read(files[1])])
    assert resume_point(row.chain) == (3, None)


def test_facts_of_any_size(row: Row) -> None:
    facts: list[Fact] = [Read(f"/srv/project/module{number}.py", None) for number in range(1000)]
    row.add(1, facts)
    assert resume_point(row.chain).number == 1


def test_is_outdated(row: Row, files: list[Path]) -> None:
    row.add(1, [read(files[0])])
    row.add(2, [read(files[1]), Listed(str(files[2]), None, 0)])
    row.add(3, None)
    assert not any(row.chain.is_outdated(str(file)) for file in files)
    for file in files:
        file.write_text("two")
    assert [row.chain.is_outdated(str(file)) for file in files] == [True, True, False, False]
    row.add(4, [read(files[0])])  # one has read it as it is now, another has not
    assert row.chain.is_outdated(str(files[0]))


def test_resume_hands_over_the_sockets_and_drops_the_later(row: Row) -> None:
    for number in (1, 2, 3, 4):
        row.add(number)
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        assert row.resume(2, Resume(theirs, listener, None, ["/a.py"], True))
        [message] = row.told(2) or []
        assert isinstance(message, Resume)
        with message.link as to_supervisor, message.listener as its_listener:
            assert (message.state_link, message.edited, message.is_reload) == (None, ["/a.py"], True)
            to_supervisor.sendall(b"hello")
            assert ours.recv(5) == b"hello"
            assert its_listener.getsockname() == listener.getsockname()
    assert [row.told(number) for number in (1, 3, 4)] == [[], None, None]
    assert resume_point(row.chain).number == 2
    assert row.resume(2)  # again, from the same line
    assert row.told(1) == []


def test_resume_of_one_that_is_gone(row: Row) -> None:
    row.add(1)
    row.add(2)
    row.links[2].close()
    assert not row.resume(2)
    assert row.resume(1)


@pytest.mark.parametrize(("number", "there"), [(0, []), (1, [1]), (2, [1, 2]), (5, [1, 2, 5]), (9, [1, 2, 5, 7])])
def test_cut(row: Row, number: int, there: list[int]) -> None:
    for one in (1, 2, 5, 7):
        row.add(one)
    row.chain.cut(number)
    assert row.there == there
    assert bool(row.chain) is bool(there)
    assert row.chain.pids == {1001, 1002, 1005, 1007}  # until they have ended, somebody waits for them
    for process in row.processes.values():
        process.status = 0 if process.pid - 1000 not in there else None
    row.chain.look_after()
    assert row.chain.pids == {1000 + one for one in there}


def test_those_that_rely_on_an_answer_go_from_the_first_on(row: Row) -> None:
    asked, other = AskedServer("default", "SELECT 1", 7), AskedServer("default", "SELECT 1", 8)
    for number, told in enumerate(([], [other], [asked], [], None), 1):
        row.add(number, told)
    assert row.chain.cut_relying_on(asked)
    assert row.there == [1, 2]
    assert not row.chain.cut_relying_on(asked)
    assert row.there == [1, 2]


@pytest.mark.parametrize("how", ["exits", "closes its link"])
def test_who_dies_takes_the_later_ones_out(row: Row, how: str) -> None:
    for number in (1, 2, 3):
        row.add(number)
    if how == "exits":
        row.processes[2].status = -9
        row.chain.look_after()
        row.links.pop(2).close()
    else:
        row.links.pop(2).close()
        row.hear()
    assert row.told(1) == []
    assert row.told(3) is None
    assert resume_point(row.chain).number == 1
    row.add(2)  # resumed from 1, the next is made
    assert resume_point(row.chain).number == 2


def test_all_may_die_at_once(row: Row) -> None:
    for number in (1, 2, 3):
        row.add(number)
        row.processes[number].status = -9
    row.chain.look_after()
    assert not row.chain
    row.chain.look_after()
    assert row.chain.pids == set()


def numbers(row: Row) -> list[int]:
    return [one.number for one in row.chain._row]


@pytest.mark.parametrize(
    ("costs", "there"),
    [
        ([1, 1, 1], [1, 2, 3]),
        ([1, 9, 5, 7], [1, 2, 4]),
        ([1, 5, 9, 7], [1, 3, 4]),
        ([1, 2, 3, 4, 5], [1, 3, 5]),  # 2 leaves its work to 3, which then saves more than 4
        ([1, 5, 1, 1, 9], [1, 2, 5]),
        ([0, 0, 0, 0, 0], [1, 4, 5]),
    ],
)
def test_the_row_is_kept_short(costs: list[float], there: list[int]) -> None:
    row = Row(limit=3)
    for number, cost in enumerate(costs, 1):
        row.add(number, [Read(f"/nowhere/{number}", None)], cost)
    assert numbers(row) == there == row.there
    paths = [fact.path for one in row.chain._row for fact in one.facts or () if isinstance(fact, Read)]
    assert paths == [f"/nowhere/{number}" for number in range(1, len(costs) + 1)]  # what they saw is still relied on
    assert sum(one.cost for one in row.chain._row) == sum(costs)
    row.close()


@pytest.mark.parametrize(
    ("limit", "edited", "there"),
    [
        (4, [], [1, 4, 6, 7]),
        (4, ["/3"], [1, 2, 6, 7]),  # 2 is right before it
        (4, ["/3", "/5"], [1, 2, 4, 7]),
        (5, ["/3", "/5"], [1, 2, 4, 6, 7]),
        (4, ["/3", "/5", "/7"], [1, 4, 6, 7]),  # the last two
        (4, ["/1", "/elsewhere"], [1, 4, 6, 7]),
        (3, ["/3", "/5"], [1, 4, 7]),  # there is not room for both
        (2, ["/3"], [1, 7]),
    ],
)
def test_those_right_before_what_is_edited_are_dropped_last(limit: int, edited: list[str], there: list[int]) -> None:
    """However little they save: what is prepared begins there."""
    row = Row(limit=limit, edited=edited)
    for number, cost in enumerate([1, 0.1, 2, 3, 0.2, 5, 1], 1):
        row.add(number, [Read(f"/{number}", None)], cost)
    assert numbers(row) == there == row.there
    row.close()


def test_who_was_dropped_is_remembered_by_the_next(files: list[Path]) -> None:
    row = Row(limit=3)
    for number, file in enumerate(files, 1):
        row.add(number, [read(file)], cost=number)
    assert row.there == [1, 3, 4]
    files[1].write_text("two")  # which only 2 had told
    assert resume_point(row.chain).number == 1
    row.close()


def test_the_row_waits_for_facts_before_it_is_thinned() -> None:
    row = Row(limit=2)
    row.add(1)
    row.add(2, None)
    row.add(3, None)
    assert row.there == [1, 2, 3]
    row.tell(3, [Read("/nowhere/3", None)])
    assert row.there == [1, 2, 3]  # what 2 has seen must not be forgotten
    row.tell(2, [Read("/nowhere/2", None)])
    assert row.there == [1, 3]
    assert row.chain._row[1].facts == [Read("/nowhere/2", None), Read("/nowhere/3", None)]
    row.close()


def test_a_row_of_one() -> None:
    row = Row(limit=1)
    for number in (1, 2, 3):
        row.add(number)
    there = row.there
    row.close()
    assert len(there) == 1


@given(
    st.lists(st.tuples(st.floats(0, 10), st.sampled_from("abcde")), min_size=1, max_size=8),
    st.integers(2, 4),
    st.sampled_from("abcde"),
)
def test_thinning_never_resumes_what_has_seen_a_change(told: list[tuple[float, str]], limit: int, changed: str) -> None:
    """Whatever is dropped, the resume point is the latest of those left that had not seen it."""
    row = Row(limit=limit)
    try:
        for number, (cost, name) in enumerate(told, 1):
            # a file that "changed" was there when it was read
            row.add(number, [Read(f"/nowhere/{name}", (1, 2, 3) if name == changed else None)], cost)
        there = row.there
        unaware = next((number for number, (_, name) in enumerate(told, 1) if name == changed), len(told) + 1)
        expected = max((number for number in there if number < unaware), default=None)
        assert resume_point(row.chain).number == expected
        assert len(there) == min(limit, len(told))
    finally:
        row.close()


@pytest.mark.parametrize(
    ("sizes", "memory", "there"),
    [
        ([10, 10, 10, 10], 40, [1, 2, 3, 4]),
        ([10, 10, 10, 10], 39, [1, 3, 4]),
        ([10, 10, 10, 10], 20, [1, 4]),
        ([10, 10, 10, 10], 5, [1, 4]),  # the ends stay
        ([10, 0, 25, 10], 30, [1, 4]),  # those that save least go, until it is enough
        ([0, 0, 0, 0], 1, [1, 2, 3, 4]),  # where nothing is known
    ],
)
def test_weigh(monkeypatch: pytest.MonkeyPatch, sizes: list[int], memory: float, there: list[int]) -> None:
    row = Row(memory=memory)
    for number in range(1, len(sizes) + 1):
        row.add(number, cost=number)
    monkeypatch.setattr(checkpoint_chain, "memory_of", lambda pid, kind: sizes[pid - 1001] * checkpoint_chain.KILOBYTES)
    row.chain.weigh(WORKER)
    assert row.there == there
    row.close()


@pytest.mark.parametrize(
    ("size", "of_worker", "there"),
    [
        (LEAST_MEMORY / 4, 0.0, [1, 2, 3, 4]),
        (LEAST_MEMORY / 3, 0.0, [1, 3, 4]),
        (LEAST_MEMORY, LEAST_MEMORY * 3 / SHARE, [1, 3, 4]),
        (LEAST_MEMORY, 0.0, [1, 3, 4]),
        (LEAST_MEMORY, LEAST_MEMORY * 4 / SHARE + 1, [1, 2, 3, 4]),
    ],
)
def test_by_default_they_take_a_share_of_the_worker(
    monkeypatch: pytest.MonkeyPatch, size: float, of_worker: float, there: list[int]
) -> None:
    def megabytes(pid: int, kind: str) -> float:
        assert kind == (RESIDENT if pid == WORKER else OWN)
        return of_worker if pid == WORKER else size

    row = Row(memory=None)
    for number in range(1, 5):
        row.add(number, cost=number)
    monkeypatch.setattr(checkpoint_chain, "memory_of", megabytes)
    monkeypatch.setattr(checkpoint_chain, "KILOBYTES", 1)
    row.chain.weigh(WORKER)
    assert row.there == there
    row.close()


@pytest.mark.parametrize(
    ("memory", "there"), [(None, [1, 2, 4, 6]), (1.0, [1, 6])], ids=["by default", "as it is said"]
)
def test_for_memory_those_right_before_what_is_edited_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memory: float | None, there: list[int]
) -> None:
    """Nothing else makes the reload of a model quick; but what the user says goes before that."""
    model, view = tmp_path / "models.py", tmp_path / "views.py"
    row = Row(memory=memory, edited=[str(model), str(view)])
    for number in range(1, 7):
        row.add(number, [Read(str(path), None) for path in {3: [model], 5: [view]}.get(number, [])], cost=number)
    monkeypatch.setattr(checkpoint_chain, "memory_of", lambda pid, kind: 100 * checkpoint_chain.KILOBYTES)
    row.chain.weigh(WORKER)
    assert row.there == there
    row.close()


def test_close_ends_all_and_waits_for_nobody_for_ever(row: Row) -> None:
    for number in (1, 2, 3):
        row.add(number)
    row.processes[2].ends = False
    row.chain.cut(2)
    row.chain.close(patience=0.0)
    assert [process.signals for process in row.processes.values()] == [["KILL"]] * 3
    assert row.there == []
    assert not row.chain


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the kernel tells on Linux")
def test_own_memory() -> None:
    before = memory_of(os.getpid(), OWN)
    assert before > 1000
    data = os.urandom(64_000_000)  # more than an allocator reuses
    assert memory_of(os.getpid(), OWN) > before + 50_000
    assert memory_of(os.getpid(), RESIDENT) >= memory_of(os.getpid(), OWN)
    assert data


def test_the_memory_of_nobody() -> None:
    assert memory_of(2**30, OWN) == 0


@pytest.mark.parametrize(
    ("costs", "kept", "expected"),
    [
        ([], [], None),
        ([1.0], [0], None),
        ([1.0], [], 0),
        ([0.0, 1.0], [0], 1),
        ([0.0, 1.0], [0, 1], None),
        ([0.0, 3.0, 1.0, 2.0], [], 0),
        ([0.0, 3.0, 1.0, 2.0], [0], 2),
        ([0.0, 3.0, 1.0, 2.0], [0, 2], 3),
        ([0.0, 3.0, 1.0, 2.0], [0, 2, 3], 1),
        ([0.0, 3.0, 1.0, 2.0], [0, 1, 2, 3], None),
        ([0.0, 3.0, 1.0, 2.0], [0, 9], 2),  # a place that is none
    ],
)
def test_least_useful(costs: list[float], kept: list[int], expected: int | None) -> None:
    assert least_useful(costs, kept) == expected


@given(st.lists(st.floats(0.0, 10.0)), st.sets(st.integers(0, 20)))
def test_the_least_useful_saves_least_of_those_that_may_go(costs: list[float], kept: set[int]) -> None:
    place = least_useful(costs, kept)
    candidates = [one for one in range(len(costs)) if one not in kept]
    if place is None:
        assert not candidates
    else:
        assert place in candidates
        assert costs[place] == min(costs[one] for one in candidates)


@given(st.lists(st.floats(0.01, 10.0), min_size=1), st.integers(2, 5))
def test_thinning_keeps_the_ends_and_all_that_was_worked(costs: list[float], limit: int) -> None:
    """As a row of checkpoints is thinned: who is dropped leaves its work to the next."""
    row, total = list(enumerate(costs)), sum(costs)
    while len(row) > limit:
        place = least_useful([cost for _, cost in row], [0, len(row) - 1])
        assert place is not None
        row[place : place + 2] = [(row[place + 1][0], row[place][1] + row[place + 1][1])]
    assert [number for number, _ in row] == sorted({number for number, _ in row})
    assert (row[0][0], row[-1][0]) == (0, len(costs) - 1)
    assert sum(cost for _, cost in row) == pytest.approx(total)
