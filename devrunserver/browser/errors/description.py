"""The description of an error: plain data, from which every form of it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Some lines of a file, of which one is meant.

    Attributes:
        file: the path, or a name like ``<string>`` where the code is from no file.
        line: the line that is meant, from 1 on.
        end_line: the last line that is meant; usually the same.
        column: where in the line the mistake begins, in characters from 1 on; 0: the line as a whole is meant.
        end_column: the first character behind it.
        first: the number of the first of ``lines``.
        lines: the line with some around it; empty where the source is not to be had.
    """

    file: str
    line: int
    end_line: int = 0
    column: int = 0
    end_column: int = 0
    first: int = 0
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The line that is meant; empty if it is not known."""
        index = self.line - self.first
        return self.lines[index] if self.lines and 0 <= index < len(self.lines) else ""

    def numbered(self) -> Iterator[tuple[int, str, bool]]:
        """Number and text of each line, and whether it is meant."""
        for number, text in enumerate(self.lines, self.first):
            yield number, text, self.line <= number <= max(self.line, self.end_line)


@dataclass(frozen=True, slots=True)
class Frame:
    """One step on the way to the error.

    Attributes:
        label: the function's name, or what else is at this place ("template"); empty where it goes without saying.
        is_own: whether it is the project's code.
        variables: names and values of local variables, as text.
        identity: by which this process finds the frame; 0: it does not.
    """

    place: Place
    label: str
    module: str = ""
    is_own: bool = False
    variables: tuple[tuple[str, str], ...] = ()
    identity: int = 0


@dataclass(frozen=True, slots=True)
class FrameGroup:
    """Steps in a row that are not the project's, or that repeat what was shown."""

    title: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """What probably helps, and the commands to type for it."""

    text: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """A place where a template was looked for, and what was found there."""

    file: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Issue:
    """What one system check found."""

    level: str
    identifier: str
    subject: str
    message: str
    hint: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """An error.

    Attributes:
        kind: the exception's class, by its name alone.
        module: where that class is from.
        relation: how it belongs to the error it is listed with ("cause", "context", "member"); empty for that itself.
        place: what the user should look at first.
        stack: the steps to the error, the latest first.
        related: its causes and contexts, or the members of a group.
    """

    kind: str
    message: str
    module: str = ""
    relation: str = ""
    hint: Hint | None = None
    place: Place | None = None
    stack: tuple[Frame | FrameGroup, ...] = ()
    notes: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    issues: tuple[Issue, ...] = ()
    related: tuple[Description, ...] = ()

    @property
    def title(self) -> str:
        """Kind and message as one line."""
        first = self.message.strip().partition("\n")[0]
        return f"{self.kind}: {first}" if first else self.kind


RELATIONS = {
    "cause": "which was caused by",
    "context": "which happened while handling",
    "member": "one of the group",
}
