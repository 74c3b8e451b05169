"""Random edits of a project that is there already: ``python -m tests.oracle DIRECTORY --settings NAME --view FILE``.

It works in place and puts everything back; give it a copy. A server runs in the directory as a user starts it. Models,
views, what was read, and several at once are edited, after pauses at random, and after each edit the server's state is
compared with that of a fresh start. What differs between two fresh starts of different minutes does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.live import REPOSITORY, Server
from tests.oracle import edits, project
from tests.oracle.edits import Step
from tests.oracle.oracle import Oracle, State
from tests.oracle.tree import Block, Module, Tier, Tree

# Executed in place, not imported: settings may ask for themselves while they are made.
SETTINGS = """\
from importlib.util import find_spec

__package__ = "{settings}".rpartition(".")[0]
__file__ = find_spec("{settings}").origin
with open(__file__) as source:
    exec(compile(source.read(), __file__, "exec"))

INSTALLED_APPS = ["devrunserver", *(app for app in INSTALLED_APPS if app != "devrunserver")]
MIDDLEWARE = ["oracle_state.middleware", *MIDDLEWARE]
ALLOWED_HOSTS = ["*"]
DEVRUNSERVER = {{"WARM_UP": False}} | {options}
"""
READS = "oracle_read.txt"
READING = f'with open("{READS}") as file:\n    READ_{{n}} = file.read()\n'
SEVERAL = 3  # files that are saved at once
MINUTE = 60.0  # seconds

Place = tuple[str, str]  # a part of a state, and what is named in it


@dataclass
class Developer:
    """Somebody who works on some modules in turn, saves several at once, and changes data that a start has read."""

    _count: int = 0
    _files: list[str] = field(default_factory=list)

    def __call__(self, tree: Tree, rng: random.Random) -> Step:
        """One edit."""
        if tree.broken:
            return edits.edit(tree, rng)
        how = rng.choices((self._in_turn, _change_read_file, _save_several, _break), (14, 2, 2, 1))[0]
        return how(tree, rng)

    def _in_turn(self, tree: Tree, rng: random.Random) -> Step:
        if self._count % edits.IN_A_ROW == 0:
            paths = edits.worked_on(tree)
            self._files = rng.sample(paths, min(rng.choice((1, edits.FILES_IN_TURN)), len(paths)))
        self._count += 1
        return edits.edit_again(tree, rng, self._files[self._count % len(self._files)], 0.0)


class OracleOfExisting(Oracle):
    """Compares with fresh starts of a project that holds values of its own making: times, numbers drawn.

    Args:
        command: starts a server.
        environ: what else is in its environment.
        link: where a link to the project may be made.
    """

    def __init__(
        self, tree: Tree, server: Server, seed: int, command: tuple[str, ...], environ: dict[str, str], link: Path
    ) -> None:
        super().__init__(server.project, tree, server, seed, prepared=True, fresh_directory=link)
        self._command = command
        self._environ = environ
        self._varying: set[Place] = set()
        self._unordered: set[str] = set()  # parts of a state

    def start_fresh(self) -> Server:
        """A server to compare with."""
        environ = {**self._environ, project.FRESH: "1"}
        return Server(self.fresh_directory, "--explain-reload", command=self._command, environ=environ)

    def compare(self, reloaded: State, fresh: State, witness: str) -> list[str]:
        """What differs, but for what differs between two fresh starts as well."""
        found = super().compare(self._lasting(reloaded), self._lasting(fresh), witness)
        if found and self._find_varying(fresh, self._later(witness)):
            found = super().compare(self._lasting(reloaded), self._lasting(fresh), witness)
        return found

    def _find_varying(self, fresh: State, later: State) -> bool:
        """Finds out what differs between two fresh starts, and what comes in another order; whether that is news."""
        before = len(self._varying), len(self._unordered)
        if varying := places(fresh, later) - self._varying:
            print("differs from one start to the next:", *sorted(varying), flush=True)
            self._varying |= varying
        one, other = self._lasting(fresh), self._lasting(later)
        if unordered := {part for part in one if one[part] != other[part]}:
            print("comes in another order from one start to the next:", *sorted(unordered), flush=True)
            self._unordered |= unordered
        return before != (len(self._varying), len(self._unordered))

    def _later(self, witness: str) -> State:
        """The state of a fresh start in another minute."""
        time.sleep(MINUTE - time.time() % MINUTE)
        return self.fresh(witness)

    def _lasting(self, state: State) -> State:
        told = {
            part: [one for key, one in items(value) if (part, key) not in self._varying]
            for part, value in state.items()
        }
        return {part: sorted(ones, key=json.dumps) if part in self._unordered else ones for part, ones in told.items()}


def places(one: State, other: State) -> set[Place]:
    """Where two states differ."""
    found = set()
    for part in one:
        mine, others = (sorted((key, json.dumps(told)) for key, told in items(state[part])) for state in (one, other))
        found |= {(part, key) for key, _ in {*mine} ^ {*others}}
    return found


def items(value: Any) -> Iterator[tuple[str, Any]]:
    """What is in a part of a state, each with a name: names in modules are told one by one."""
    for one in value.items() if isinstance(value, dict) else value:
        if isinstance(one, tuple) and isinstance(one[1], list) and all(isinstance(name, list) for name in one[1]):
            yield from ((f"{one[0]}.{name[0]}", (one[0], name)) for name in one[1])
        else:
            yield (str(one[0]) if isinstance(one, (list, tuple)) and one else str(one)), one


def _change_read_file(tree: Tree, rng: random.Random) -> Step:
    tree.data[READS] = str(tree.number())
    return Step(f"write {READS} alone", "")


def _save_several(tree: Tree, rng: random.Random) -> Step:
    paths = edits.worked_on(tree)
    chosen = rng.sample(paths, min(SEVERAL, len(paths)))
    for path in chosen:
        tree.touch(path)
    return Step(f"change {', '.join(chosen)}", chosen[-1])


def _break(tree: Tree, rng: random.Random) -> Step:
    return Step(edits.break_one(tree, rng), tree.broken)


def existing(directory: Path, files: dict[Tier, list[str]], settings: str) -> Tree:
    """The modules of a project that are edited, with what tells its state.

    Args:
        files: by when they can be imported.
    """
    tree = Tree()
    tree.traced = False
    for tier, paths in files.items():
        for path in paths:
            tree.add(path, Module(tier, (directory / path).read_text(), lasting=True))
    tree.add("events.py", Module(*project.COMPANY["events.py"]))
    tree.add_block(next(iter(tree.lasting())), Block(READING.format(n=tree.number())), 0)
    tree.data |= {
        READS: "0",
        "oracle_state.py": Path(__file__).with_name("state.py").read_text(),
        "oracle_settings.py": settings,
    }
    return tree


def main() -> None:
    """Edits, and says what it has seen; ends with 1 at the first difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("directory", type=Path, help="where the server is started: a copy of a project")
    parser.add_argument("--settings", required=True, help="the project's settings module")
    parser.add_argument("--options", default="{}", help="what DEVRUNSERVER is to hold, as a dict")
    parser.add_argument("--model", action="append", default=[], help="a file that is edited, of models")
    parser.add_argument("--view", action="append", default=[], help="a file that is edited, which views are in")
    parser.add_argument("--manage", default="manage.py", help="what follows python: manage.py, or -m and a module")
    parser.add_argument("--edits", type=int, default=40)
    parser.add_argument("--pause", type=float, default=20.0, help="the longest between an answer and the next save, s")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    directory: Path = given.directory.resolve()
    files = {Tier.MODELS: given.model, Tier.VIEWS: given.view}
    tree = existing(directory, files, SETTINGS.format(settings=given.settings, options=given.options))
    originals = {path: (directory / path).read_bytes() for path in tree.render() if (directory / path).exists()}
    command = (sys.executable, *given.manage.split(), "runserver")
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    environ = {**project.SEEDED, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "oracle_settings"}
    try:
        project.save(directory, Tree(), tree, random.Random(0))
        with (
            Server(directory, "--explain-reload", command=command, environ=environ) as server,
            tempfile.TemporaryDirectory() as folder,
        ):
            link = Path(folder) / directory.name  # beside the project it may be taken for a package of it
            oracle = OracleOfExisting(tree, server, given.seed, command, environ, link)
            oracle.run_in_a_hurry(given.edits, Developer(), given.pause)
            reloads, resumed, prepared = oracle.reloads
            replaced = server.log.count("Reloading once more")
            print(
                f"{reloads} reloads, {resumed} resumed, {prepared} prepared, {replaced} replaced; "
                f"{oracle.late} answers of a state in between; no difference that lasts"
            )
    finally:
        for name in tree.render():
            (directory / name).unlink(missing_ok=True)
        for name, content in originals.items():
            (directory / name).write_bytes(content)


if __name__ == "__main__":
    main()
