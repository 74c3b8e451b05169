"""All forms of one error, for one request; and which of them an answer has."""

from __future__ import annotations

import json
import os
import re
from functools import cache, cached_property

import django
from django.http import HttpRequest, HttpResponse

from devrunserver import conf, project
from devrunserver.browser.errors import details, editor
from devrunserver.browser.errors.description import Description
from devrunserver.browser.errors.frame_consoles import FrameConsoles
from devrunserver.browser.errors.markdown import markdown_of
from devrunserver.browser.errors.page import Page
from devrunserver.browser.errors.reading import describe, without_variables
from devrunserver.browser.errors.text import json_of, text_of
from devrunserver.common import stdio

DJANGO = os.path.join(os.path.dirname(django.__file__), "")
# What an answer may be, the first where the client does not care
TYPES = ("text/html", "text/plain", "text/markdown", "application/json")
FALLBACK = "text/plain"  # where it accepts none of them


class Report:
    """One error.

    Args:
        request: that failed by it, or that asks for it where the project does not start; None for the terminal.
        script: what else the page does; JavaScript.
        consoles: the prompts in the page's frames.
    """

    def __init__(
        self,
        error: BaseException,
        request: HttpRequest | None = None,
        script: str = "",
        consoles: FrameConsoles | None = None,
    ) -> None:
        self._error = error
        self._request = request
        self._script = script
        self._consoles = consoles

    @cached_property
    def description(self) -> Description:
        """With the values of local variables, which only the page shows."""
        variables = details.Variables(self._request)
        return describe(self._error, is_own, variables=variables, request=self._request)

    def html(self) -> str:
        """The page."""
        settled = conf.load()
        links = editor.EditorLinks(editor.choose(settled.EDITOR, os.environ), settled.EDITOR_PATHS)
        consoles = None
        if self._consoles is not None and self._request is not None:
            consoles = self._consoles.open(self._error, self._request)
        sections = details.sections(self._request)
        page = Page(links, self._facts, self.markdown(), sections, self._script, consoles)
        return page.html(self.description)

    def text(self) -> str:
        """As the terminal shows it."""
        return text_of(self.description)

    def markdown(self) -> str:
        """To be pasted somewhere."""
        return markdown_of(self.description, self._facts)

    def json(self) -> str:
        """For programs."""
        return json.dumps(json_of(without_variables(self.description)))

    def respond(self, status: int) -> HttpResponse:
        """The answer in the form that the request prefers."""
        accept = self._request.headers.get("accept", "*/*") if self._request is not None else FALLBACK
        kind = preferred(accept)
        form = {"text/html": self.html, "text/markdown": self.markdown, "application/json": self.json}
        charset = "" if kind == "application/json" else "; charset=utf-8"
        return HttpResponse(stdio.utf8(form.get(kind, self.text)()), status=status, content_type=f"{kind}{charset}")

    @cached_property
    def _facts(self) -> list[tuple[str, str]]:
        return details.facts(self._request)


def is_own(file: str) -> bool:
    """Whether a file is the project's: not code that is compiled from a string, nor Django, wherever that is."""
    return not file.startswith(("<", DJANGO)) and _files().is_own(file)


@cache
def _files() -> project.Files:
    return project.Files()


def preferred(accept: str) -> str:
    """The one of our types that a header ``Accept`` wants most (RFC 9110, 12.5.1)."""
    ranges = []
    for position, part in enumerate(accept.split(",")):
        kind, *parameters = (one.strip().lower() for one in part.split(";"))
        quality = next((_quality(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        ranges.append((kind, quality, position))
    best = max(TYPES, key=lambda one: (*_wanted(one, ranges), -TYPES.index(one)))
    return best if _wanted(best, ranges)[0] > 0 else FALLBACK


def _wanted(kind: str, ranges: list[tuple[str, float, int]]) -> tuple[float, int]:
    """How much a type is wanted: by the range that fits it best, the first of which counts."""
    for one in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        for wanted, quality, position in ranges:
            if wanted == one:
                # a range for all types has no opinion about their order
                return quality, -position if one == kind else -len(ranges)
    return 0.0, 0


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.\d{0,3})?", text) else 0.0
