"""The resume point: which facts hold no more, and which checkpoint is the latest that relies on none of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
    ResumePoint,
    answering,
    from_json,
    holds,
    path_of,
    resume_point,
    to_json,
)
from devrunserver.common.file_state import UNKNOWN, State

EXTENSION = EXTENSION_SUFFIXES[0]


@dataclass(frozen=True)
class FakeDisk:
    """A disk of our own making: it holds what it is told."""

    files: Mapping[str, State] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by directory
    states: Mapping[str, State] = field(default_factory=dict)  # of directories
    targets: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)  # of databases
    identities: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of sources

    def is_still(self, path: str, state: State | None) -> bool:
        return self.files.get(path) == state

    def directory_state(self, path: str) -> State | None:
        return self.states.get(path)

    def names_in(self, directory: str) -> Sequence[str]:
        return self.names.get(directory, ())

    def digest_of(self, directory: str) -> int:
        return hash(tuple(sorted(self.names_in(directory))))

    def target_of(self, directory: str) -> str:
        return self.targets.get(directory, directory)

    def answer_to(self, path: str, statement: str) -> int | None:
        return self.answers.get(f"{path}: {statement}")

    def identity_of(self, path: str) -> tuple[int, ...]:
        return self.identities.get(path, ())

    def words_in(self, path: str) -> Sequence[str]:
        return self.words.get(path, ())


OLD = FakeDisk(
    files={"/a.py": (5, 10, 7), "/b.py": (5, 10, 8), "/data.txt": (5, 10, 9)},
    names={"/": ("a.py", "b.py", "data.txt", "pkg"), "/pkg": ("__init__.py",)},
    states={"/": (1,), "/pkg": (1,)},
    targets={"/link": "/pkg"},
    answers={"/db: SELECT 1": 7},
    identities={"/db": (1, 70)},
    words={"/a.py": ("from", "shop", "import", "forms")},
)
READ = Read("/a.py", (5, 10, 7))
NOT_THERE = Read("/local.py", None)
IN_VAIN = Answered("/", (1,), "local", ())
FOUND = Answered("/", (1,), "pkg", ("pkg",))
NO_DIRECTORY = Answered("/plugins", None, "local", ())
LISTED = Listed("/", (1,), OLD.digest_of("/"))
LINKED = Linked("/link", "/pkg")
QUERIED = Queried("/db", "SELECT 1", 7)
ASKED = AskedServer("default", "SELECT 1", 7)  # whoever is resumed asks
OPENED = Opened("/db", (1, 70))
NAMED = Named("/a.py", "shop.forms")
FACTS: list[Fact] = [READ, NOT_THERE, IN_VAIN, FOUND, NO_DIRECTORY, LISTED, LINKED, QUERIED, ASKED, OPENED, NAMED]


def with_file(path: str, state: State | None) -> FakeDisk:
    files = {one: known for one, known in OLD.files.items() if one != path}
    return replace(OLD, files=files if state is None else {**files, path: state})


def with_names(directory: str, *names: str, state: State | None = (2,)) -> FakeDisk:
    states = {one: known for one, known in OLD.states.items() if one != directory}
    states = states if state is None else {**states, directory: state}
    return replace(OLD, names={**OLD.names, directory: names}, states=states)


def on(disk: FakeDisk) -> Callable[[Iterable[Fact]], Fact | None]:
    """What tells the first fact that does not hold there."""
    return lambda told: next((fact for fact in told if not holds(fact, disk)), None)


@pytest.mark.parametrize(
    ("disk", "broken"),
    [
        (OLD, []),
        (with_file("/a.py", (6, 10, 7)), [READ]),  # changed
        (with_file("/a.py", (4, 10, 7)), [READ]),  # back-dated
        (with_file("/a.py", (5, 11, 7)), [READ]),  # another size at the same time
        (with_file("/a.py", (5, 10, 77)), [READ]),  # replaced by a file of the same time and size
        (with_file("/a.py", None), [READ]),  # deleted
        (with_file("/local.py", (1, 1, 1)), [NOT_THERE]),  # created
        (with_file("/b.py", None), []),  # no fact is about it
        (with_names("/", "a.py", "b.py", "data.txt", "pkg", "local.py"), [IN_VAIN, LISTED]),
        (with_names("/", "a.py", "b.py", "data.txt", "pkg", "local"), [IN_VAIN, LISTED]),
        (with_names("/", "a.py", "b.py", "data.txt", "pkg", "local" + EXTENSION), [IN_VAIN, LISTED]),
        (with_names("/", "a.py", "b.py", "data.txt", "pkg", "local.txt"), [LISTED]),
        (with_names("/", "a.py", "b.py", "data.txt", "pkg", "pkg.py"), [FOUND, LISTED]),
        (with_names("/", "a.py", "b.py", "data.txt"), [FOUND, LISTED]),
        (with_names("/", *OLD.names["/"]), []),  # something came and went
        (with_names("/", *OLD.names["/"], state=UNKNOWN), []),
        (with_names("/", state=None), [FOUND, LISTED]),  # the directory is gone
        (with_names("/plugins", "other.py"), []),  # it came, without what was looked for
        (with_names("/plugins", "local.py"), [NO_DIRECTORY]),
        (replace(OLD, targets={"/link": "/elsewhere"}), [LINKED]),
        (replace(OLD, targets={}), [LINKED]),
        (replace(OLD, answers={"/db: SELECT 1": 8}), [QUERIED]),
        (replace(OLD, answers={}), [QUERIED]),
        (replace(OLD, identities={"/db": (1, 71)}), [OPENED]),  # deleted, and made anew
        (replace(OLD, identities={}), [OPENED]),
        (replace(OLD, words={"/a.py": ("import", "forms")}), []),
        (replace(OLD, words={"/a.py": ("from", "shop", "import", "forms_")}), [NAMED]),
        (replace(OLD, words={}), [NAMED]),
        (replace(OLD, targets={**OLD.targets, "/pkg": "/elsewhere"}), []),
    ],
)
def test_what_holds_no_more(disk: FakeDisk, broken: list[Fact]) -> None:
    assert [fact for fact in FACTS if not holds(fact, disk)] == broken


def test_a_directory_in_the_same_state_is_not_looked_into() -> None:
    disk = with_names("/", "local.py", state=(1,))  # the state tells of each name that comes or goes
    assert holds(IN_VAIN, disk)


def test_two_unknown_states_are_not_the_same() -> None:
    """The directory was young when it was looked at, and is again, as something has just been created in it."""
    fact = Answered("/", UNKNOWN, "local", ())
    assert not holds(fact, with_names("/", "local.py", state=UNKNOWN))
    assert holds(fact, with_names("/", "other.py", state=UNKNOWN))


CHANGED = with_file("/a.py", (6, 10, 7))
A, B, DATA = READ, Read("/b.py", (5, 10, 8)), Read("/data.txt", (5, 10, 9))


@pytest.mark.parametrize(
    ("segments", "disk", "expected"),
    [
        ([], OLD, (None, None)),
        ([(1, [])], OLD, (1, None)),
        ([(1, [A]), (2, [B]), (3, [DATA])], OLD, (3, None)),
        ([(1, [A]), (2, [B]), (3, [DATA])], CHANGED, (None, A)),
        ([(1, [B]), (2, [A]), (3, [DATA])], CHANGED, (1, A)),
        ([(1, [B]), (2, [DATA]), (3, [A])], CHANGED, (2, A)),
        ([(1, [B]), (2, []), (3, [DATA, A])], CHANGED, (2, A)),
        ([(1, []), (4, [B]), (9, [A])], CHANGED, (4, A)),  # numbers may have gaps
        ([(1, [B]), (2, [A]), (3, [A])], CHANGED, (1, A)),
        ([(1, [B]), (2, None)], OLD, (1, None)),  # not told yet
        ([(1, None), (2, [B])], OLD, (None, None)),
        ([(1, [B]), (2, None), (3, [])], OLD, (1, None)),  # what was seen between 1 and 3 is not known
        ([(1, [B]), (2, None), (3, [A])], CHANGED, (1, None)),
        ([(1, [A]), (2, None)], CHANGED, (None, A)),
    ],
)
def test_resume_point(segments: list[tuple[int, list[Fact] | None]], disk: FakeDisk, expected: ResumePoint) -> None:
    assert resume_point(segments, on(disk)) == expected


# A start as a list of steps on a disk of three directories: what it reads, looks for, lists, and where it pauses.
DIRECTORIES = ("/x", "/y", "/z")
NAMES = ("one", "two")
ENTRIES = [name + suffix for name in NAMES for suffix in ("", ".py", ".txt")]
World = dict[str, tuple[bool, dict[str, State]]]  # of each directory: whether it is young, and the files in it
Step = tuple[str, str, str]  # what, in which directory, which name

steps = st.tuples(
    st.sampled_from(["read", "look up", "list", "pause", "say nothing"]),
    st.sampled_from(DIRECTORIES),
    st.sampled_from(ENTRIES),
)
file_states = st.tuples(st.integers(0, 2), st.just(1), st.integers(0, 1))
files = st.dictionaries(st.sampled_from(ENTRIES), file_states, max_size=3)
worlds: st.SearchStrategy[World] = st.fixed_dictionaries(
    {directory: st.tuples(st.booleans(), files) for directory in DIRECTORIES}
)


def disk_of(world: World) -> FakeDisk:
    """A disk whose directories have one state for each set of names, or an unknown one where they are young."""
    return FakeDisk(
        files={
            f"{directory}/{name}": state for directory, (_, files) in world.items() for name, state in files.items()
        },
        names={directory: sorted(files) for directory, (_, files) in world.items()},
        states={
            directory: UNKNOWN if young else (sum(2 ** ENTRIES.index(name) for name in files),)
            for directory, (young, files) in world.items()
        },
    )


def observe(step: Step, world: World) -> object:
    """What a process gets to know in one step: two starts that observe the same come to the same state."""
    what, directory, entry = step
    files = world[directory][1]
    if what == "read":
        return files.get(entry)
    if what == "look up":
        return {one for one in files if one == entry or one == f"{entry}.py"}
    return set(files) if what == "list" else None


def fact_of(step: Step, disk: FakeDisk) -> Fact | None:
    what, directory, entry = step
    if what == "read":
        return Read(f"{directory}/{entry}", disk.files.get(f"{directory}/{entry}"))
    if what == "look up":
        return Answered(directory, disk.directory_state(directory), entry, answering(disk.names_in(directory), entry))
    return Listed(directory, disk.directory_state(directory), disk.digest_of(directory)) if what == "list" else None


def expected_point(steps: list[Step], before: World, now: World) -> int | None:
    """The latest pause before which everything that is observed would be observed again now; by trying."""
    point, number = None, 0
    for step in steps:
        if observe(step, before) != observe(step, now) or step[0] == "say nothing":
            break
        if step[0] == "pause":
            point = number = number + 1
    return point


def segments_of(steps: list[Step], disk: FakeDisk) -> list[tuple[int, list[Fact] | None]]:
    """The facts before each pause; none for a checkpoint that says nothing."""
    segments: list[tuple[int, list[Fact] | None]] = []
    facts: list[Fact] = []
    for step in steps:
        if step[0] in ("pause", "say nothing"):
            segments.append((len(segments) + 1, facts if step[0] == "pause" else None))
            facts = []
        elif (fact := fact_of(step, disk)) is not None:
            facts.append(fact)
    return segments


EMPTY: World = {directory: (True, {}) for directory in DIRECTORIES}


@given(st.lists(steps, max_size=12), worlds, worlds)
@example([("look up", "/x", "one"), ("pause", "/x", "one")], EMPTY, {**EMPTY, "/x": (True, {"one.py": (0, 1, 0)})})
def test_the_resume_point_is_the_latest_that_has_seen_nothing_else(
    steps: list[Step], before: World, now: World
) -> None:
    point = resume_point(segments_of(steps, disk_of(before)), on(disk_of(now)))
    assert point.number == expected_point(steps, before, now)
    if point.obstacle is not None:
        assert not holds(point.obstacle, disk_of(now))


@given(st.lists(steps, max_size=12), worlds)
def test_where_nothing_changed_the_resume_point_is_the_last_that_has_told(steps: list[Step], world: World) -> None:
    segments = segments_of(steps, disk_of(world))
    told = [number for number, facts in segments if facts is not None]
    silent = [number for number, facts in segments if facts is None]
    expected = max((number for number in told if number < min(silent, default=number + 1)), default=None)
    assert resume_point(segments, on(disk_of(world))) == (expected, None)


@pytest.mark.parametrize(
    ("entries", "name", "expected"),
    [
        ([], "mod", ()),
        (["mod"], "mod", ("mod",)),  # a package, or a directory without a file of its own
        (["mod.py"], "mod", ("mod.py",)),
        (["mod.pyc"], "mod", ("mod.pyc",)),
        (["mod" + EXTENSION], "mod", ("mod" + EXTENSION,)),
        (["mod.abi3.so", "mod.pyd", "mod.txt", "mod.py.bak", "mod.pyi"], "mod", ("mod.abi3.so",)),
        (["mod.py", "mod", "mod" + EXTENSION], "mod", ("mod", "mod.py", "mod" + EXTENSION)),  # always in one order
        (["model.py", "mo.py", "a.mod.py", "Mod.py", "_mod.py"], "mod", ()),
    ],
)
@pytest.mark.skipif(EXTENSION.endswith(".pyd"), reason="names of extension modules elsewhere")
def test_answering(entries: list[str], name: str, expected: tuple[str, ...]) -> None:
    assert answering(entries, name) == expected
    assert answering(set(entries), name) == expected


POOL = ["mod", "mod.py", "mod.pyc", "mod" + EXTENSION, "mod.txt", "mode.py", "other.py", ".mod.py"]


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("directories")


@given(st.sets(st.sampled_from(POOL)), st.sets(st.sampled_from(POOL)))
def test_where_python_finds_something_else_something_else_answers(
    directories: Path, before: set[str], now: set[str]
) -> None:
    found = []
    for entries in (before, now):
        directory = directories / "-".join(sorted(entries)).ljust(1, "-")
        directory.mkdir(exist_ok=True)
        for entry in entries:
            create = Path.touch if "." in entry else Path.mkdir
            create(directory / entry, exist_ok=True)
        spec = PathFinder.find_spec("mod", [str(directory)])
        found.append(None if spec is None else (spec.origin and Path(spec.origin).name, spec.loader is None))
    if found[0] != found[1]:
        assert answering(before, "mod") != answering(now, "mod")


paths = st.text() | st.just("/srv/\udcff.py")
states = st.none() | st.tuples(st.integers(), st.integers(), st.integers()) | st.just(UNKNOWN)
facts = st.one_of(
    st.builds(Read, paths, states),
    st.builds(Answered, paths, states, st.text(), st.lists(st.text(), max_size=3).map(tuple)),
    st.builds(Listed, paths, states, st.integers()),
    st.builds(Linked, paths, paths),
)


@given(st.lists(facts))
def test_facts_survive_json(facts: list[Fact]) -> None:
    back = from_json(json.loads(json.dumps(to_json(facts))))
    assert back == facts
    assert [type(fact) for fact in back] == [type(fact) for fact in facts]


@pytest.mark.parametrize(
    ("fact", "path"),
    [
        (READ, "/a.py"),
        (NOT_THERE, "/local.py"),
        (IN_VAIN, "/"),
        (NO_DIRECTORY, "/plugins"),
        (LISTED, "/"),
        (LINKED, "/link"),
        (NAMED, "/a.py"),
    ],
)
def test_path_of(fact: Fact, path: str) -> None:
    assert path_of(fact) == path
