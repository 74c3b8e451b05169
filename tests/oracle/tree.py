"""The source of a project as data: what the edits change and what is written to the disk. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum

INIT = "__init__.py"
PATH_ENTRIES = ("early", "late")  # directories of the project that ``manage.py`` puts before and after the others


class Tier(IntEnum):
    """When a module can be imported at the earliest. It imports what is of its own tier or a lower one."""

    SETTINGS = 0
    PURE = 1  # at any time
    MODELS = 2  # when all apps are there
    READY = 3  # when models are there: admin, receivers, checks
    VIEWS = 4
    URLS = 5


@dataclass(frozen=True)
class Block:
    """Some lines of a module, which could stand anywhere in it.

    Attributes:
        text: the lines.
        needs: the module or model without which they fail; empty where there is none.
    """

    text: str
    needs: str = ""


@dataclass
class Module:
    """A module that is edited.

    Attributes:
        head: what it begins with, and never changes.
        blocks: what follows.
        mark: tells one version from the next.
        fault: a line that fails.
        lasting: it is there in every start.
        traced: each time it is executed leaves a trace.
    """

    tier: Tier
    head: str = ""
    blocks: list[Block] = field(default_factory=list)
    mark: int = 0
    fault: str = ""
    lasting: bool = False
    traced: bool = True

    def render(self) -> str:
        """Its source."""
        track = f'import events\n\nevents.ORDER.append(f"{{__name__}} {self.mark:06}")\n'
        parts = [
            self.head,
            track if self.tier > Tier.SETTINGS and self.traced else "",
            f'MARK = "{self.mark:06}"\n',
            f'def body():\n    return "{self.mark:06}"\n' if self.tier > Tier.SETTINGS else "",
            self.fault,
            *(block.text for block in self.blocks),
        ]
        return "\n".join(filter(None, parts))


class Tree:
    """A project.

    Attributes:
        modules: by path, relative to the project.
        data: the other files, by path.
        links: symbolic links, by path, and where they lead to.
        packages: where modules are created.
        broken: the module that keeps the project from starting; empty if it does start.
        traced: new modules are.
    """

    def __init__(self) -> None:
        self.traced = True
        self.modules: dict[str, Module] = {}
        self.data: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.packages: list[str] = []
        self.broken = ""
        self._number = 0

    def number(self) -> int:
        """One that there has not been."""
        self._number += 1
        return self._number

    def touch(self, path: str) -> None:
        """Gives a module a new mark."""
        self.modules[path].mark = self.number()

    def add(self, path: str, module: Module) -> None:
        """A new module."""
        self.modules[path] = module
        module.traced = self.traced
        self.touch(path)

    def add_block(self, path: str, block: Block, position: int) -> None:
        """New lines in a module."""
        self.modules[path].blocks.insert(position, block)
        self.touch(path)

    def drop_needing(self, name: str) -> None:
        """Takes out the blocks that need a module or model."""
        for path, module in self.modules.items():
            kept = [block for block in module.blocks if block.needs != name]
            if len(kept) < len(module.blocks):
                module.blocks = kept
                self.touch(path)

    def names(self) -> set[str]:
        """The modules that can be imported."""
        return set(map(module_name, self.modules))

    def lasting(self) -> list[str]:
        """The paths of the modules that are there in every start."""
        return [path for path, module in self.modules.items() if module.lasting]

    def render(self) -> dict[str, str]:
        """All files but links."""
        return {**self.data, **{path: module.render() for path, module in self.modules.items()}}


def module_name(path: str) -> str:
    """The name that the module of a file is imported by."""
    path = re.sub(rf"^({'|'.join(PATH_ENTRIES)})/", "", path)
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
