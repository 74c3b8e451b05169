"""Stories of saving a file and asking for a page."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from operator import le
from pathlib import Path

import pytest

from tests.live import Asker, Server, is_alive, replace, wait_for
from tests.pairs import SAVES, Save

MARKS = "shop/marks.py"
ROUNDS = 4  # of all kinds of saves
STILL = 3.0  # seconds in which no process wakes up
SETTLE_PATIENCE = 90.0  # seconds for the next reload to be prepared, on a busy machine


def mark(number: int) -> str:
    """The same size and, saved quickly, the same second for every number: the trap in cached bytecode."""
    return f'MARK = "mark-{number:04}"\n'


def back_dated(file: Path, text: str) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    os.utime(draft, (1_000_000_000, 1_000_000_000))
    draft.replace(file)


EDITS: list[Save] = [*SAVES.values(), back_dated]


@pytest.mark.measured
def test_every_edit_shows_with_one_reload_and_no_connection_lost(project: Path) -> None:
    """Some 20 edits of all kinds, while a client asks all the time."""
    file = project / MARKS
    with Server(project) as server:
        server.wait_for_body("mark-0")
        server.edit(MARKS, "mark-0", "mark-0000")  # from now on there is a checkpoint before it
        server.wait_for_body("mark-0000")
        before = _resources(server)
        numbers: Iterator[int] = iter(range(1, 1000))
        with Asker(server.port) as asker:
            for _ in range(ROUNDS):
                for edit in EDITS:
                    number = next(numbers)
                    edit(file, mark(number))
                    server.wait_for_body(f"mark-{number:04}")
            edits = 1 + ROUNDS * len(EDITS)
            assert server.reloads == edits, "one reload per edit"
            # a new module, and the edit that imports it
            (project / "shop/fresh.py").write_text('MARK = "from-a-new-module"\n')
            replace(file, "from shop.fresh import MARK\n")
            server.wait_for_body("from-a-new-module")
            # an edit while the edit before is still being started
            for number in range(901, 906):
                replace(file, mark(number))
                server.wait_for_log(r"changed, reloading\.", edits + 1 + 1)
            server.wait_for_body("mark-0905")
        assert asker.counts.keys() == {"200"}, asker.counts
        wait_for(lambda: all(map(le, _resources(server), before)), f"no more than {before}; {_resources(server)}")


def _resources(server: Server) -> tuple[int, int, int]:
    """Processes of the server, threads of the worker after an answer, descriptors of the supervisor."""
    family = server.family()
    descriptors = len(os.listdir(f"/proc/{server.pid}/fd"))
    threads = sum(len(os.listdir(f"/proc/{pid}/task")) for pid in family if is_alive(pid))
    return len(family), threads, descriptors


def test_idle_server_does_not_wake_up(project: Path) -> None:
    """Context switches of all processes while nothing happens, once what follows the first start is over."""

    def is_still() -> bool:
        with suppress(FileNotFoundError, ProcessLookupError):  # a process has just ended
            before = _switches(server)
            time.sleep(STILL)
            return _switches(server) == before
        return False

    with Server(project) as server:
        server.wait_for_body("mark-0")
        wait_for(is_still, f"no process has woken up for {STILL} s", SETTLE_PATIENCE)


def _switches(server: Server) -> dict[str, int]:
    found = {}
    for pid in server.family():
        for task in Path(f"/proc/{pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    found[f"{pid}/{task.name}"] = int(line.split()[1])
    return found


def test_a_data_file_that_was_read_at_import_reloads(project: Path) -> None:
    (project / "shop/data").mkdir()
    data = project / "shop/data/mark.txt"
    data.write_text("one")
    (project / "shop/marks.py").write_text(
        'from pathlib import Path\n\nMARK = Path(__file__).with_name("data").joinpath("mark.txt").read_text()\n'
    )
    with Server(project) as server:
        server.wait_for_body("one")
        replace(data, "two")
        server.wait_for_body("two")
        assert server.log.count("mark.txt changed, reloading.") == 1


def test_an_environment_file_beside_the_settings_reloads(project: Path) -> None:
    environment = project / ".env"
    environment.write_text("one")
    settings = project / "bookshop/settings.py"
    settings.write_text(settings.read_text() + '\nMARK = (BASE_DIR / ".env").read_text()\n')
    (project / "shop/marks.py").write_text("from django.conf import settings\n\nMARK = settings.MARK\n")
    with Server(project) as server:
        server.wait_for_body("one")
        replace(environment, "two")
        server.wait_for_body("two")
