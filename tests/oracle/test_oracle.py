"""Random edits of generated projects and of a Wagtail project: a reload gives the state of a fresh start.

The number of edits is of each project; ``DEVRUNSERVER_ORACLE_EDITS`` changes it.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.live import Server
from tests.oracle import edits, project
from tests.oracle.edits import Step
from tests.oracle.oracle import Oracle
from tests.oracle.tree import Block, Module, Tier, Tree

pytestmark = pytest.mark.deep

Edit = Callable[[Tree, random.Random], Step]

EDITS = int(os.environ.get("DEVRUNSERVER_ORACLE_EDITS", "8"))
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in (2, 3))]
PATIENCE = 5.0  # seconds for an edit that is not to show

# The resume rule without one kind of fact
BROKEN_RULE = """\
from devrunserver.common import facts

holds = facts.holds
facts.holds = lambda fact, disk: isinstance(fact, facts.{kind}) or holds(fact, disk)
"""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_generated_project(tmp_path: Path, seed: int) -> None:
    directory = tmp_path / "project"
    tree = project.generate(directory, project.DENSE if seed % 3 else "", seed)
    with Server(directory, environ={**project.SEEDED, **project.EXACT}) as server:
        oracle = Oracle(directory, tree, server, seed)
        oracle.run(EDITS)
        reloads, resumed, _ = oracle.reloads
        print(f"{reloads} reloads, {resumed} of them resumed; {oracle.late} answers of a state in between")
        assert resumed > reloads // 3


@pytest.mark.exhaustive
@pytest.mark.skipif(importlib.util.find_spec("wagtail") is None, reason="Wagtail is not installed")
@pytest.mark.parametrize("in_a_hurry", [False, True])
def test_a_wagtail_project(tmp_path: Path, in_a_hurry: bool) -> None:
    directory, tree = project.wagtail(tmp_path)
    with Server(directory, "--explain-reload", environ=project.SEEDED) as server:
        oracle = Oracle(directory, tree, server, 1, prepared=True)
        if in_a_hurry:
            oracle.run_in_a_hurry(EDITS)
        else:
            oracle.run(EDITS)
        reloads, resumed, _ = oracle.reloads
        print(f"{reloads} reloads, {resumed} of them resumed; {oracle.late} answers of a state in between")
        assert resumed > reloads // 3


# Why no reload is prepared where modules leave traces, and take no time
WHY_NONE = "Not prepared: the order of imports shows in"
WHY_NONE_OF = {2: f"{WHY_NONE}|an exact checkpoint is later than what is prepared"}  # right before what it edits most


@pytest.mark.parametrize("seed", SEEDS)
def test_a_generated_project_with_prepared_reloads(tmp_path: Path, seed: int) -> None:
    """Some modules leave traces of their order, which edits add and take away."""
    directory = tmp_path / "project"
    tree = project.generate(directory, project.PREPARING, seed, traced=False)
    with Server(directory, "--explain-reload", environ=project.SEEDED) as server:
        oracle = Oracle(directory, tree, server, seed, prepared=True)
        oracle.run(EDITS)
        reloads, _, prepared = oracle.reloads
        replaced = server.log.count("Reloading once more")
        print(
            f"{reloads} reloads, {prepared} prepared, {replaced} replaced; {oracle.late} answers of a state in between"
        )
        assert prepared > 0 or re.search(WHY_NONE_OF.get(seed, WHY_NONE), server.log)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_generated_project_in_a_hurry(tmp_path: Path, seed: int) -> None:
    """Saves at any moment, also while the next reload is prepared; data that was read; many files at once."""
    directory = tmp_path / "project"
    tree = project.generate(directory, project.PREPARING, seed, traced=False)
    with Server(directory, "--explain-reload", environ=project.SEEDED) as server:
        oracle = Oracle(directory, tree, server, seed, prepared=True)
        oracle.run_in_a_hurry(EDITS)
        reloads, resumed, prepared = oracle.reloads
        replaced = server.log.count("Reloading once more")
        print(f"{reloads} reloads, {resumed} resumed, {prepared} prepared, {replaced} replaced; {oracle.late} late")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_generated_project_with_spares(tmp_path: Path, seed: int) -> None:
    """Saves at any moment, also while a spare starts; nothing is forked."""
    directory = tmp_path / "project"
    tree = project.generate(directory, "", seed)
    environ = {**project.SEEDED, **project.SPARES}
    with Server(directory, *project.WITHOUT_CHECKS, environ=environ) as server:
        oracle = Oracle(directory, tree, server, seed, with_spares=True)
        oracle.run_in_a_hurry(EDITS)
        reloads, from_spare, _ = oracle.reloads
        print(f"{reloads} reloads, {from_spare} from a spare; {oracle.late} answers of a state in between")


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_generated_project_with_prepared_spares(tmp_path: Path, seed: int) -> None:
    """Some modules leave traces of their order, which edits add and take away; nothing is forked."""
    directory = tmp_path / "project"
    tree = project.generate(directory, project.PREPARING, seed, traced=False)
    environ = {**project.SEEDED, **project.PREPARED_SPARES}
    with Server(directory, *project.WITHOUT_CHECKS, "--explain-reload", environ=environ) as server:
        oracle = Oracle(directory, tree, server, seed, prepared=True, with_spares=True)
        oracle.run(EDITS)
        reloads, _, _ = oracle.reloads
        prepared, replaced = server.log.count("prepared, from a spare)"), server.log.count("Reloading once more")
        print(f"{reloads} reloads, {prepared} prepared, {replaced} replaced; {oracle.late} late")


def lists(tree: Tree, rng: random.Random) -> Step:
    read = edits.READS["os.listdir"].format(directory="first/data", n=0)
    tree.add_block("first/models.py", Block(edits.READ.format(read=read, n=0)), 0)
    return Step("list first/data", "first/models.py")


def lengthens_list(tree: Tree, rng: random.Random) -> Step:
    tree.data["first/data/new.txt"] = ""
    tree.touch("third/urls.py")
    return Step("create first/data/new.txt", "third/urls.py")


def imports_linked(tree: Tree, rng: random.Random) -> Step:
    tree.add_block("first/models.py", edits.importing(tree, "linked"), 0)
    return Step("import linked", "first/models.py")


def retargets_link(tree: Tree, rng: random.Random) -> Step:
    tree.touch("third/urls.py")
    return Step(edits.retarget_link(tree, rng), "third/urls.py")


def imports_optional(tree: Tree, rng: random.Random) -> Step:
    tree.add_block("first/models.py", edits.importing(tree, "fragile_1"), 0)
    return Step("try to import fragile_1", "first/models.py")


def adds_optional(tree: Tree, rng: random.Random) -> Step:
    tree.add("fragile_1.py", Module(Tier.PURE))
    tree.touch("third/urls.py")
    return Step("create fragile_1.py", "third/urls.py")


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        ("Answered", [imports_optional, adds_optional]),
        ("Listed", [lists, lengthens_list]),
        ("Linked", [imports_linked, retargets_link]),
    ],
)
@pytest.mark.parametrize("broken", [True, False])
def test_a_broken_rule_is_found_out(tmp_path: Path, kind: str, steps: list[Edit], broken: bool) -> None:
    """The oracle can fail: the same edits pass with the whole rule, and do not without one kind of fact."""
    directory = tmp_path / "project"
    tree = project.generate(directory, (BROKEN_RULE.format(kind=kind) if broken else "") + project.DENSE)
    with Server(directory, environ={**project.SEEDED, **project.EXACT}) as server:
        oracle = Oracle(directory, tree, server, 1)
        prepare, reveal = steps
        oracle.step(prepare)
        with pytest.raises(AssertionError) if broken else nullcontext():
            oracle.step(reveal, PATIENCE)
