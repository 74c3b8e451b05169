"""An error as Markdown: to be pasted into an issue or given to an assistant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from devrunserver.browser.errors.description import RELATIONS, Description, Frame, FrameGroup, Place
from devrunserver.browser.errors.text import excerpt
from devrunserver.common.shown_path import shown_path

LANGUAGES = {".py": "python", ".html": "django", ".txt": "django", ".xml": "xml", ".jinja": "jinja", ".j2": "jinja"}
AROUND = 5  # lines before and after


def markdown_of(description: Description, facts: Sequence[tuple[str, str]] = ()) -> str:
    """The error as Markdown.

    Args:
        facts: names and values of what else is to be told: the request, versions.
    """
    lines = [*_error(description, 1)]
    if facts:
        lines += ["## Circumstances", "", *(f"- {name}: {_code(value)}" for name, value in facts), ""]
    return "\n".join(lines)


def _error(description: Description, level: int) -> Iterator[str]:
    relation = RELATIONS.get(description.relation, "").capitalize()
    yield f"{'#' * level} {f'{relation}: ' if relation else ''}{_escaped(description.title)}"
    yield ""
    if "\n" in description.message.strip():
        yield from (*_fenced(description.message.strip().splitlines(), ""), "")
    for note in description.notes:
        yield from (_escaped(note), "")
    if description.hint is not None:
        yield from (f"Hint: {_escaped(description.hint.text)}", "")
        if description.hint.commands:
            yield from (*_fenced(list(description.hint.commands), "shell"), "")
    if description.attempts:
        yield from (*(f"- tried {_code(one.file)}: {_escaped(one.outcome)}" for one in description.attempts), "")
    for issue in description.issues:
        yield from (
            f"- {issue.level} {_code(issue.subject or '?')} ({issue.identifier}): {_escaped(issue.message)}",
            "",
        )
        if issue.place is not None:
            yield from _place(issue.place, "")
    if description.place is not None and not description.issues:
        yield from _place(description.place, _label(description))
    if description.stack:
        yield from (*map(_step, description.stack), "")
    for one in description.related:
        yield from _error(one, 2)


def _label(description: Description) -> str:
    frames = (one for one in description.stack if isinstance(one, Frame))
    return next((one.label for one in frames if one.place is description.place), "")


def _place(place: Place, label: str) -> Iterator[str]:
    inside = f", in {_code(label)}" if label else ""
    yield from (f"{_code(shown_path(place.file))}, line {place.line}{inside}:", "")
    if place.lines:
        language = LANGUAGES.get(os.path.splitext(place.file)[1], "")
        yield from (*_fenced([one[2:] for one in excerpt(place, AROUND)], language), "")


def _step(one: Frame | FrameGroup) -> str:
    if isinstance(one, FrameGroup):
        return f"- {_escaped(one.title)}"
    text = one.place.text.strip()
    code = f": {_code(text)}" if text else ""
    inside = f" in {_code(one.label)}" if one.label else ""
    return f"- {_code(f'{shown_path(one.place.file)}:{one.place.line}')}{inside}{code}"


def _fenced(lines: list[str], language: str) -> list[str]:
    """A block of code, whatever is in it."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


def _code(text: str) -> str:
    """Text as code in a line, whatever is in it."""
    text = " ".join(text.split()) or " "
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, pad = "`" * (longest + 1), " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _escaped(text: str) -> str:
    """Text that is nothing but text."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", " ".join(text.split()))
