"""The page of an error: one document without anything from elsewhere, that can be read without JavaScript.

The overlay takes the same document apart (``overlay.js``): what belongs to the error is in ``main.error``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from devrunserver.browser.errors.description import (
    RELATIONS,
    Attempt,
    Description,
    Frame,
    FrameGroup,
    Hint,
    Issue,
    Place,
)
from devrunserver.browser.errors.details import Section
from devrunserver.browser.errors.editor import EditorLinks
from devrunserver.browser.errors.frame_consoles import OpenConsoles
from devrunserver.common.shown_path import shown_path

FOLDER = Path(__file__).parents[1]
MAX_HEADLINE = 600  # characters of a message; the rest is folded
NO_EDITOR = 'Set DEVRUNSERVER["EDITOR"], or the variable DJANGO_EDITOR, and files open in your editor.'


@functools.cache
def asset(name: str) -> str:
    """A file that belongs to the page."""
    return (FOLDER / name).read_text(encoding="utf-8")


class Page:
    """Makes the page of one error.

    Args:
        links: to the user's editor.
        facts: names and values of what the error happened with; the first is the request, if there was one.
        markdown: the error for who copies it.
        sections: what is shown folded.
        script: what else the page does; JavaScript.
        consoles: the prompts in its frames.
    """

    def __init__(
        self,
        links: EditorLinks,
        facts: Sequence[tuple[str, str]] = (),
        markdown: str = "",
        sections: Sequence[Section] = (),
        script: str = "",
        consoles: OpenConsoles | None = None,
    ) -> None:
        self._links = links
        self._facts = facts
        self._markdown = markdown
        self._sections = sections
        self._script = script
        self._consoles = consoles

    def html(self, description: Description) -> str:
        """The document."""
        return "".join(
            [
                '<!DOCTYPE html>\n<html lang="en" class="error-page">\n<head><meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">',
                f"<title>{escape(description.title[:200])}</title>\n<style>{asset('errors/error_page.css')}</style></head>\n",
                f'<body><main class="error"{self._console_attributes()}>\n',
                *self._error(description),
                *self._tail(),
                f"</main>\n{self._scripts()}</body>\n</html>\n",
            ]
        )

    def _scripts(self) -> str:
        buttons = f'<script type="module">{asset("copy_buttons.js")}wire(document);</script>\n'
        if self._consoles is not None:
            buttons += f'<script type="module">{asset("frame_console.js")}</script>\n'
        return buttons + (f"<script>{self._script}</script>\n" if self._script else "")

    def _console_attributes(self) -> str:
        if (consoles := self._consoles) is None:
            return ""
        trusted = "yes" if consoles.is_trusted else "no"
        return f' data-consoles="{escape(consoles.url)}" data-secret="{consoles.secret}" data-trusted="{trusted}"'

    def _below(self, frame: Frame) -> str:
        """What belongs to a frame whose code is shown."""
        shown = _table("Local variables", frame.variables) if frame.variables else ""
        if self._consoles is None or (number := self._consoles.ids.get(frame.identity)) is None:
            return shown
        field = '<input aria-label="Command" autocomplete="off" spellcheck="false">'
        console = f"<summary>Console</summary><output></output><form>{field}</form>"
        return f'{shown}<details class="console" data-frame="{number}" hidden>{console}</details>\n'

    def _error(self, description: Description) -> Iterator[str]:
        yield from self._head(description)
        yield from map(self._issue, description.issues)
        yield from map(self._attempt, description.attempts)
        if description.place is not None and not description.issues:
            label = next((one.label for one in _frames(description) if one.place is description.place), "")
            yield self._place(description.place, label)
        yield from self._stack(description)
        for one in description.related:
            yield '<section class="related">'
            yield from self._error(one)
            yield "</section>\n"

    def _head(self, description: Description) -> Iterator[str]:
        relation = RELATIONS.get(description.relation, "").capitalize()
        kind = f'<span title="{escape(description.module)}">{escape(description.kind)}</span>'
        message = description.message.strip() or description.kind
        tag = "h2" if relation else "h1"
        yield f'<p class="kind">{f"{relation}: " if relation else ""}{kind}</p>\n'
        yield f"<{tag}>{escape(message[:MAX_HEADLINE])}</{tag}>\n"
        if len(message) > MAX_HEADLINE:
            yield f"<details><summary>The whole message</summary><p>{escape(message)}</p></details>\n"
        yield from (f"<p>{escape(note)}</p>\n" for note in description.notes)
        if not relation:
            yield from self._bar()
        if description.hint is not None:
            yield _hint(description.hint)

    def _bar(self) -> Iterator[str]:
        yield '<div class="bar">'
        yield from (
            f'<span class="quiet">{escape(name)} <code>{escape(value)}</code></span>'
            for name, value in self._facts
            if name in ("Request", "View")
        )
        if self._markdown:
            yield '<button type="button" data-copy="markdown" hidden>Copy as Markdown</button>'
        yield "</div>\n"

    def _place(self, place: Place, label: str) -> str:
        code = f"<pre><code>{''.join(map(_line, [place] * len(place.lines), place.numbered()))}</code></pre>\n"
        return f'<p class="file">{self._file(place)}{_inside(label)}</p>\n{code if place.lines else ""}'

    def _file(self, place: Place) -> str:
        text = f"<code>{escape(shown_path(place.file))}:{place.line}</code>"
        link = self._links.link(place.file, place.line, place.column)
        title = f'title="{escape(place.file)}"'
        return f'<a href="{escape(link)}" {title}>{text}</a>' if link else f"<span {title}>{text}</span>"

    def _stack(self, description: Description) -> Iterator[str]:
        """All steps but the one that is at the top already."""
        rest = [one for one in description.stack if not (isinstance(one, Frame) and one.place is description.place)]
        first = next((one for one in _frames(description) if one.place is description.place), None)
        if first is not None:
            yield self._below(first)
        if not rest:
            return
        count = sum(len(one.frames) if isinstance(one, FrameGroup) else 1 for one in rest)
        steps = "1 step" if count == 1 else f"{count} steps, the latest first"
        yield f'<details class="stack" open><summary>{steps}</summary>\n'
        for one in rest:
            if isinstance(one, FrameGroup):
                yield f'<details class="group"><summary class="quiet">{escape(one.title)}</summary>'
                yield from map(self._step, one.frames)
                yield "</details>\n"
            else:
                yield self._place(one.place, one.label) + self._below(one)
        yield "</details>\n"

    def _step(self, frame: Frame) -> str:
        text = frame.place.text.strip()
        code = f"<br><code>{escape(text)}</code>" if text else ""
        return f'<p class="file">{self._file(frame.place)}{_inside(frame.label)}{code}</p>\n'

    def _issue(self, issue: Issue) -> str:
        subject = f"<code>{escape(issue.subject)}</code> " if issue.subject else ""
        hint = f"<p>{escape(issue.hint)}</p>" if issue.hint else ""
        place = self._place(issue.place, "") if issue.place is not None else ""
        head = f'<p>{subject}<span class="quiet">{escape(issue.level)} {escape(issue.identifier)}</span></p>'
        return f'<section class="issue">{head}<p><strong>{escape(issue.message)}</strong></p>{hint}</section>{place}\n'

    def _attempt(self, attempt: Attempt) -> str:
        return (
            f'<p class="quiet">tried <code>{escape(shown_path(attempt.file))}</code>: {escape(attempt.outcome)}</p>\n'
        )

    def _tail(self) -> Iterator[str]:
        yield "<h2>More</h2>\n"
        for section in self._sections:
            yield _table(section.title, section.rows)
        yield _table("Versions", [one for one in self._facts if one[0] not in ("Request", "View")])
        if self._markdown:
            area = '<textarea readonly aria-label="The error as Markdown" data-source="markdown">'
            yield f"<details><summary>As Markdown</summary>{area}\n{escape(self._markdown)}</textarea></details>\n"
        if not self._links.link(f"{os.getcwd()}{os.sep}", 1):
            yield f'<p class="quiet">{escape(NO_EDITOR)}</p>\n'


def _frames(description: Description) -> Iterator[Frame]:
    return (one for one in description.stack if isinstance(one, Frame))


def _inside(label: str) -> str:
    return f' <span class="quiet">in <code>{escape(label)}</code></span>' if label else ""


def _line(place: Place, numbered: tuple[int, str, bool]) -> str:
    number, text, is_meant = numbered
    if is_meant and number == place.line and 0 < place.column <= len(text):
        begin, end = place.column - 1, place.end_column - 1
        shown = f"{escape(text[:begin])}<mark>{escape(text[begin:end])}</mark>{escape(text[end:])}"
    else:
        shown = escape(text)
    return f'<span class="l{" meant" if is_meant else ""}" data-n="{number}">{shown}\n</span>'


def _hint(hint: Hint) -> str:
    commands = "".join(
        f'<p class="command"><code>{escape(command)}</code><button type="button" data-copy hidden>Copy</button></p>'
        for command in hint.commands
    )
    return f'<section class="hint"><p>{escape(hint.text)}</p>{commands}</section>\n'


def _table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    return f"<details><summary>{escape(title)}</summary><table>{body}</table></details>\n"
