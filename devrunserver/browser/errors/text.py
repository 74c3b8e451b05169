"""An error as text: for the terminal, for who asks for plain text, and as JSON.

The order is the page's: what it is, where, how it came to that. Steps are written as Python writes them, so that
terminals and editors make links of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from devrunserver.browser.errors.description import RELATIONS, Description, Frame, FrameGroup, Issue, Place

Paint = Callable[[str], str]  # puts a text into the colour of errors
MAX_GROUP = 1  # frames of a group that are shown, if the error has no other


def plain(text: str) -> str:
    """No colour."""
    return text


def text_of(description: Description, paint: Paint = plain) -> str:
    """The error as text, with a newline at its end."""
    return "\n".join(_lines(description, paint)) + "\n"


def _lines(description: Description, paint: Paint) -> Iterator[str]:
    if description.relation:
        yield ""
        yield f"{RELATIONS[description.relation].capitalize()}:"
    first, *rest = f"{description.kind}: {description.message}".rstrip(": ").splitlines() or [description.kind]
    yield paint(first)
    yield from rest
    yield from description.notes
    for attempt in description.attempts:
        yield f"  tried {attempt.file}: {attempt.outcome}"
    if description.hint is not None:
        yield f"Hint: {description.hint.text}"
        yield from (f"    {command}" for command in description.hint.commands)
    for issue in description.issues:
        yield from _issue(issue)
    yield from _stack(description)
    for one in description.related:
        yield from _lines(one, paint)


def _issue(issue: Issue) -> Iterator[str]:
    subject = f"{issue.subject}: " if issue.subject else ""
    yield ""
    yield f"{issue.level}: {subject}({issue.identifier}) {issue.message}"
    if issue.hint:
        yield f"  Hint: {issue.hint}"
    if issue.place is not None:
        yield f'  File "{issue.place.file}", line {issue.place.line}'
        yield from excerpt(issue.place, 1)


def _stack(description: Description) -> Iterator[str]:
    has_own = any(isinstance(one, Frame) and one.is_own for one in description.stack)
    is_first = True
    for one in description.stack:
        if isinstance(one, FrameGroup):
            if not has_own:
                for frame in one.frames[:MAX_GROUP]:
                    yield from _frame(frame, is_first)
                is_first = has_own = False
            yield f"  ({one.title})"
        else:
            yield from _frame(one, is_first and one.is_own)
            is_first = is_first and not one.is_own


def _frame(frame: Frame, is_first: bool) -> Iterator[str]:
    inside = f", in {frame.label}" if frame.label else ""
    yield f'  File "{frame.place.file}", line {frame.place.line}{inside}'
    if is_first:
        yield from excerpt(frame.place, 3)
    elif text := frame.place.text.strip():
        yield f"    {text}"


def excerpt(place: Place, around: int) -> Iterator[str]:
    """The lines of a place with their numbers; marks below the columns that are meant."""
    last = max(place.line, place.end_line) + around
    width = len(str(last))
    for number, text, is_meant in place.numbered():
        if not place.line - around <= number <= last:
            continue
        yield f"  {'>' if is_meant else ' '} {number:>{width}} {text}".rstrip()
        if is_meant and number == place.line and place.column:
            indent = "".join(one if one == "\t" else " " for one in text[: place.column - 1])
            yield f"    {' ' * width} {indent}{'^' * (place.end_column - place.column)}"


def json_of(description: Description) -> dict[str, Any]:
    """The error as JSON has it: its text and all that the text was made of."""
    data = asdict(description)
    return {"error": description.kind, "traceback": text_of(description), **data}
