"""Projects of many kinds: the reload of each file is prepared in the end, and gives what a fresh start gives."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import Server, wait_for
from tests.oracle import import_kinds, kinds, project
from tests.oracle.kinds import Kind
from tests.oracle.oracle import State, differences
from tests.stories.test_prepared import PREPARED, age
from tests.stories.test_prepared import kinds as reloads

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are checkpoints on Linux alone"),
]

SAVES = 6  # of one file, until its reload is prepared: some plans need more attempts than one
SPARED = 3  # saves of one file where spares stand for checkpoints
SPARE_PAUSED = "supervisor from spare: FactsRead"
DECIDED = f"{PREPARED}|Not prepared: "
EXPLAINED = " were imported in "
ONCE = "not prepared: this once"


# Those that are different enough for CI
IN_CI = (
    *("plug-ins", "admin sites", "class registries", "tasks", "logging", "a thread", "a connection", "a database"),
    *("a source", "URLs by", "types of files", "what is over", "objects of a library"),
    *("a start that writes", "stores that", "subclasses that", "rules that"),
)


def cases() -> Iterator[Any]:
    """Each kind with each file that is edited; in CI some, with one file."""
    for name, kind in {**kinds.KINDS, **import_kinds.KINDS}.items():
        for place, path in enumerate(kind.edited):
            marks = [] if place == 0 and name.startswith(IN_CI) else [pytest.mark.exhaustive]
            yield pytest.param(kind, path, id=f"{name}, {path}", marks=marks)


@pytest.mark.parametrize(("kind", "path"), list(cases()))
def test_a_kind(tmp_path: Path, kind: Kind, path: str) -> None:
    directory = tmp_path / "project"
    kinds.write(directory, kind)
    shutil.copy(Path(__file__).with_name("state.py"), directory / "oracle_state.py")
    age(directory)
    with Server(directory, "--explain-reload", environ=project.SEEDED) as server:
        state(server, kind, path, 0)
        server.wait_until_still()
        before = server.reloads  # a start that is slow to say whether what it has written is news to it is replaced
        for number in range(1, SAVES + 1):
            decisions = len(re.findall(DECIDED, server.log))
            server.edit(path, f'MARK = "{number - 1}"', f'MARK = "{number}"')
            ours = state(server, kind, path, number)
            server.wait_for_log(": reloaded in", before + number)
            if reloads(server)[-1]:
                break
            wait_for(lambda: EXPLAINED in of_last_reload(server), "what is told of the reload")
            if ONCE in of_last_reload(server):
                continue  # what is prepared stays, and serves the next one
            server.wait_for_log(DECIDED, decisions + 1)  # may also have happened before the reload
            if kind.why_not:
                server.wait_for_log(f"Not prepared: .*{kind.why_not}")
                break
        assert reloads(server)[-1] == (not kind.why_not), "never prepared"
        assert server.reloads == before + number, "for what was saved, and nothing else"
        server.wait_for_log(kind.sealed)
        assert "once more" not in server.log
    with Server(directory, "--explain-reload", environ=project.SEEDED) as fresh:
        found = list(differences(ours, state(fresh, kind, path, number), True))
    assert not found, "\n".join(found)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("kind", "path"), list(cases()))
def test_a_kind_with_spares(tmp_path: Path, kind: Kind, path: str) -> None:
    """Each reload but the first goes on from a spare, wherever that pauses, prepared where nothing notices."""
    directory = tmp_path / "project"
    kinds.write(directory, kind)
    shutil.copy(Path(__file__).with_name("state.py"), directory / "oracle_state.py")
    environ = {**project.SEEDED, **project.SPARES, "DEVRUNSERVER_TRACE": "1"}
    arguments = [*project.WITHOUT_CHECKS, "--explain-reload"]
    with Server(directory, *arguments, environ=environ) as server:
        state(server, kind, path, 0)
        for number in range(1, SPARED + 1):
            server.edit(path, f'MARK = "{number - 1}"', f'MARK = "{number}"')
            ours = state(server, kind, path, number)
            server.wait_for_log(": reloaded in", number)
            server.wait_for_log(DECIDED)
            wait_for(lambda: SPARE_PAUSED in server.log.rpartition(": reloaded in")[2], "the next spare has paused")
        assert len(re.findall(r", from a spare\)", server.log)) == SPARED - 1
        assert "once more" not in server.log
        is_prepared = reloads(server, "prepared, from a spare)")[-1]
        print("prepared" if is_prepared else re.findall("Not prepared: .*", server.log))
    with Server(directory, *arguments, environ=environ) as fresh:
        found = list(differences(ours, state(fresh, kind, path, number), is_prepared))
    assert not found, "\n".join(found)


def of_last_reload(server: Server) -> str:
    return server.log.rpartition(": reloaded in")[2]


def state(server: Server, kind: Kind, path: str, number: int) -> State:
    """The state of a server that has read the module as it was saved last."""
    mark = {str(server.project / path): str(number)}

    def told() -> State | None:
        answer = server.get("/state/")
        found: State | None = json.loads(answer.body) if answer.status == 200 else None
        return found if found is not None and mark.items() <= found["marks"].items() else None

    wait_for(told, f"{mark} in the state")
    found = told()  # by now what the first answer has imported is there, too
    assert found is not None
    for name in kind.varying:
        del found["namespaces"][name]
    return found
