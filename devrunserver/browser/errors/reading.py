"""From an exception to its description.

Theory of operation
-------------------
What the user should look at first, the *place*, is found in this order: where the parser gave up; the line of the
template, unless code of the project was called from there; the latest frame of the project's own; the same of the
cause or of a member of the group; what the settings, the view or a check say; the latest frame of all.

Everything here asks objects of a project that is broken. What may fail is contained where it is asked, so that one
strange object costs one detail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import FrameType
from typing import Any

from devrunserver.browser.errors import django_places
from devrunserver.browser.errors.description import Description, Frame, FrameGroup, Place
from devrunserver.browser.errors.hints import hint_for
from devrunserver.browser.errors.source import place_of_syntax_error
from devrunserver.browser.errors.stack import IsOwn, Variables, frames
from devrunserver.browser.errors.values import message_of

MAX_RELATED = 8  # causes, contexts and members that are described
MAX_NOTES = 20
MAX_MESSAGE = 4000  # characters


def no_variables(frame: FrameType) -> tuple[tuple[str, str], ...]:
    """For those who show none."""
    return ()


def describe(
    error: BaseException, is_own: IsOwn, *, variables: Variables = no_variables, request: Any = None
) -> Description:
    """The description of an error.

    Args:
        is_own: whether a file is the project's.
        variables: reads the local variables of a frame.
        request: the request that failed, if one did.
    """
    return _Reader(is_own, variables, request).describe(error, "")


class _Reader:
    """Describes an error and those that belong to it, each once."""

    def __init__(self, is_own: IsOwn, variables: Variables, request: Any) -> None:
        self._is_own = is_own
        self._variables = variables
        self._request = request
        self._seen: set[int] = set()

    def describe(self, error: BaseException, relation: str) -> Description:
        self._seen.add(id(error))
        # a check's frames say nothing, its findings all
        issues = django_places.issues(error) if type(error).__name__ == "SystemCheckError" else ()
        is_check = type(error).__name__ == "SystemCheckError"
        stack = [] if is_check else frames(error.__traceback__, self._is_own, self._variables)
        first = self._special_frame(error)
        if first is not None:
            stack.insert(0, first)
        related = tuple(self._related(error))
        places = [_place_in(stack), *map(_own_place, related), *(one.place for one in issues)]
        if isinstance(error, BaseExceptionGroup):
            places.append(places.pop(0))  # where it was put together says less than where its members are from
        place = next(filter(None, places), None)
        if place is None and not relation:
            named = django_places.not_reached(error, self._request, self._is_own)
            if named is not None:
                stack.insert(0, named)
                place = named.place
        message = "Some system checks have failed." if issues else message_of(error)[:MAX_MESSAGE]
        return Description(
            kind=type(error).__name__,
            message=message,
            module=type(error).__module__,
            relation=relation,
            hint=hint_for(error),
            place=place or _latest(stack),
            stack=tuple(stack),
            notes=tuple(map(str, list(getattr(error, "__notes__", None) or ())[:MAX_NOTES])),
            attempts=django_places.attempts(error),
            issues=issues,
            related=related,
        )

    def _special_frame(self, error: BaseException) -> Frame | None:
        """The place that an error names by itself, where that is more telling than its frames."""
        if isinstance(error, SyntaxError):
            place = place_of_syntax_error(error)
            if place is not None:
                return Frame(place, "", is_own=not place.file.startswith("<"))
        frame = django_places.template_frame(error)
        if frame is None:
            return None
        is_about_template = type(error).__name__ == "TemplateSyntaxError"
        if is_about_template or django_places.is_in_template(error.__traceback__, self._is_own):
            return frame
        return None

    def _related(self, error: BaseException) -> Iterator[Description]:
        others: list[tuple[str, BaseException]] = []
        if isinstance(error, BaseExceptionGroup):
            others += [("member", one) for one in error.exceptions]
        if error.__cause__ is not None:
            others.append(("cause", error.__cause__))
        elif error.__context__ is not None and not error.__suppress_context__:
            others.append(("context", error.__context__))
        for relation, other in others:
            if id(other) not in self._seen and len(self._seen) <= MAX_RELATED:
                yield self.describe(other, relation)


def _place_in(stack: list[Frame | FrameGroup]) -> Place | None:
    """The latest place of the project's own."""
    return next((one.place for one in stack if isinstance(one, Frame) and one.is_own), None)


def _own_place(related: Description) -> Place | None:
    own = _place_in(list(related.stack))
    return own or next((place for one in related.related if (place := _own_place(one)) is not None), None)


def _latest(stack: list[Frame | FrameGroup]) -> Place | None:
    for one in stack:
        if isinstance(one, Frame):
            return one.place
        if one.frames:
            return one.frames[0].place
    return None


def without_variables(description: Description) -> Description:
    """The same for those who should not see, or have no use for, the values of local variables."""
    stack = tuple(
        replace(one, variables=(), identity=0) if isinstance(one, Frame) else one for one in description.stack
    )
    return replace(description, stack=stack, related=tuple(map(without_variables, description.related)))
