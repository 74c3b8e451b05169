"""The oracle: what a second server, started anew on the same tree, says of its state."""

from __future__ import annotations

import copy
import difflib
import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.live import PATIENCE, Server, get, wait_for
from tests.oracle import edits, project
from tests.oracle.edits import Step
from tests.oracle.tree import Tree

State = dict[str, Any]
Edit = Callable[[Tree, random.Random], Step]

SETTLING = 3.0  # seconds for a reload that is still to come: files that are saved in a burst may cause two
LAZY_SHARE = 0.25  # how often modules are imported on request before an edit
AGAIN = 0.7  # how often the last edited module is edited again, where reloads are prepared
LONGEST_PAUSE = 3.0  # seconds between an answer and the next save of somebody in a hurry
PREPARING = 4.0  # seconds for the next reload to be prepared
PREPARED = re.compile(r"Prepared the next reload|Not prepared")
BY_MODULE = ("modules", "files", "marks", "namespaces")  # parts of the state that are told by module, in their order
RELOADED = re.compile(r"changed: reloaded in [\d.]+ s \((resumed|started)")


class Oracle:
    """Edits a project while a server runs, and compares it with a fresh one after each edit.

    Args:
        directory: the project.
        tree: its source.
        server: runs there.
        seed: of what happens.
        prepared: reloads are prepared, so that modules that do not depend on each other may come in another order.
        with_spares: reloads go on from spares.
        fresh_directory: a path by which fresh servers see the project, which is not there yet; None: beside it.
    """

    def __init__(
        self,
        directory: Path,
        tree: Tree,
        server: Server,
        seed: int,
        prepared: bool = False,
        with_spares: bool = False,
        fresh_directory: Path | None = None,
    ) -> None:
        self._prepared = prepared
        self._with_spares = with_spares
        self.tree = tree
        self.late = 0  # edits after which the first answer was of a state between
        self._directory = directory
        self._server = server
        self._port = server.port
        self._rng = random.Random(seed)
        self._done: list[str] = []
        self._last = ""  # the path of the module that was edited last
        # the log of a server is named for its directory
        self.fresh_directory = fresh_directory or directory.with_name(f"{directory.name}-fresh")
        self.fresh_directory.symlink_to(directory)

    def run(self, count: int) -> None:
        """Edits that many times."""
        for _ in range(count):
            if self._prepared:
                self._let_prepare()
            again = self._prepared and not self.tree.broken and self._rng.random() < AGAIN
            self.step((lambda tree, rng: edits.edit_again(tree, rng, self._last)) if again else edits.edit)
        if self.tree.broken:
            self.step(edits.edit)

    def run_in_a_hurry(self, count: int, edit: Edit | None = None, longest_pause: float = LONGEST_PAUSE) -> None:
        """Edits that many times, after pauses at random.

        Args:
            edit: None: as :class:`edits.Hurry` does.
            longest_pause: seconds.
        """
        edit = edit or edits.Hurry()
        for _ in range(count):
            time.sleep(self._rng.uniform(0.0, longest_pause))
            self.step(edit)
        if self.tree.broken:
            self.step(edits.edit)

    def step(self, edit: Edit, patience: float = PATIENCE) -> None:
        """One edit, saved.

        Raises:
            AssertionError: the reloaded server differs from a fresh one.
        """
        if self._rng.random() < LAZY_SHARE:
            get(self._port, "/lazy/")
        before = copy.deepcopy(self.tree)
        what, witness = edit(self.tree, self._rng)
        self._done.append(what)
        self._last = witness or self._last
        project.save(self._directory, before, self.tree, self._rng, witness)
        history = "\n".join(f"{number}. {one}" for number, one in enumerate(self._done, 1))
        try:
            reloaded = self._reloaded(witness, patience)
        except AssertionError as error:
            raise AssertionError(f"{error}, after\n{history}") from None
        if self.tree.broken:
            return
        fresh = self.fresh(witness)
        found = self.compare(reloaded, fresh, witness)
        if found:
            self.late += 1
            with suppress(AssertionError):
                patience = PATIENCE if self._prepared else SETTLING  # until what serves was compared
                wait_for(lambda: self._differs_not(fresh, witness), "no difference any more", patience)
                return
        assert not found, "\n".join(["a reloaded server (+) differs from a fresh one (-):", *found, history])

    def _reloaded(self, witness: str, patience: float) -> State:
        """The first answer of the server that has read what was saved."""
        last: list[State | str] = []

        def is_current() -> bool:
            answer = get(self._port, "/state/", patience=PATIENCE)
            last[:] = [answer.body if answer.status != 200 else json.loads(answer.body)]
            return self._is_current(last[0], witness)

        wait_for(is_current, f"the state of the saved files, {witness} among them", patience)
        return last[0] if isinstance(last[0], dict) else {}

    def fresh(self, witness: str) -> State:
        """What a new server says first."""
        with self.start_fresh() as server:
            answer = get(server.port, "/state/", patience=PATIENCE)
            assert answer.status == 200, answer.body[:2000]
            state: State = json.loads(answer.body)
            assert self._is_current(state, witness), "a fresh server must have read what was saved"
        return state

    def start_fresh(self) -> Server:
        """A server to compare with."""
        arguments = ["--explain-reload"] * self._prepared  # as the other server has
        environ = {**project.SEEDED, project.FRESH: "1"}
        if self._with_spares:
            arguments = [*project.WITHOUT_CHECKS, *arguments]
            environ |= project.PREPARED_SPARES if self._prepared else project.SPARES
        elif not self._prepared:
            environ |= project.EXACT
        return Server(self.fresh_directory, *arguments, environ=environ)

    def compare(self, reloaded: State, fresh: State, witness: str) -> list[str]:
        """What is in one state and not in the other, or elsewhere."""
        return list(differences(reloaded, fresh, self._prepared))

    def _is_current(self, state: State | str, witness: str) -> bool:
        """Whether all modules that a server has loaded are there, and as they are now."""
        if isinstance(state, str) or self.tree.broken:
            broken = self.tree.modules.get(self.tree.broken)
            return isinstance(state, str) and broken is not None and f"broken-{broken.mark:06}" in state
        marks = {
            os.path.relpath(os.path.realpath(file), self._directory): mark for file, mark in state["marks"].items()
        }
        return (witness in marks or not witness) and all(self._is_mark(path, mark) for path, mark in marks.items())

    def _is_mark(self, path: str, mark: str) -> bool:
        """Whether a module that is loaded is as it is now."""
        module = self.tree.modules.get(path)
        return (self._directory / path).exists() if module is None else f"{module.mark:06}" == mark

    def _let_prepare(self) -> None:
        """Gives the server time to prepare the next reload, or to find out that it cannot."""
        with suppress(AssertionError):
            wait_for(lambda: PREPARED.search(self._server.log.rpartition("reloaded in")[2]), "prepared", PREPARING)

    def _differs_not(self, fresh: State, witness: str) -> bool:
        answer = get(self._port, "/state/", patience=PATIENCE)
        return answer.status == 200 and not self.compare(json.loads(answer.body), fresh, witness)

    @property
    def reloads(self) -> tuple[int, int, int]:
        """How many there were, how many of them resumed, and how many were prepared."""
        kinds = RELOADED.findall(self._server.log)
        return len(kinds), kinds.count("resumed"), self._server.log.count(", prepared)")


def differences(ours: State, fresh: State, prepared: bool) -> Iterator[str]:
    """What is in one state and not in the other, or elsewhere.

    Args:
        prepared: modules may come in another order.
    """
    for part, value in fresh.items():
        if ours[part] != value:
            before, after = (_lines(one, prepared and part in BY_MODULE) for one in (value, ours[part]))
            changes = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
            yield from [f"@ {part}", *(line[:400] for line in changes)] if changes else ()


def _lines(value: Any, unordered: bool) -> list[str]:
    items = value.items() if isinstance(value, dict) else value
    return [json.dumps(item) for item in (sorted(items) if unordered else items)]
