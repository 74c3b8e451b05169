"""Lines of source: those around a place, and the columns that an instruction or a syntax error is about."""

from __future__ import annotations

import itertools
import linecache
import re
from pathlib import Path
from types import TracebackType
from typing import Any

from devrunserver.browser.errors.description import Place

AROUND = 5  # lines before and after the one that is meant
MAX_WIDTH = 400  # characters of a line that are shown
CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")  # PEP 263


def place_at(
    file: str,
    line: int,
    *,
    end_line: int = 0,
    columns: tuple[int, int] = (0, 0),
    around: int = AROUND,
    namespace: dict[str, Any] | None = None,
    text: str = "",
) -> Place:
    """The place with the lines around it.

    Args:
        columns: the first character that is meant, from 1 on, and the one behind the last; zeros if the line is meant.
        namespace: of the module, by whose loader the source is to be had where there is no file.
        text: the source, where it is known.
    """
    lines = text.splitlines() if text else source_lines(file, namespace)
    first = max(1, line - around)
    shown = tuple(one.rstrip()[:MAX_WIDTH] for one in lines[first - 1 : max(line, end_line) + around])
    end_line = max(line, min(end_line, line + around))
    column, end_column = columns
    if end_line > line or not 0 < column < end_column or not _is_part(lines, line, column, end_column):
        column = end_column = 0
    return Place(file, line, end_line, column, end_column, first, shown)


def _is_part(lines: list[str], line: int, column: int, end_column: int) -> bool:
    """Whether the columns are some of the line's text, and not all of it."""
    if not 0 < line <= len(lines):
        return False
    text = lines[line - 1].rstrip()
    begin = len(text) - len(text.lstrip())
    return column - 1 < MAX_WIDTH and (column - 1 > begin or end_column - 1 < len(text))


def source_lines(file: str, namespace: dict[str, Any] | None = None) -> list[str]:
    """The lines of a file as it is now; empty if they are not to be had."""
    linecache.checkcache(file)
    lines = linecache.getlines(file, namespace)
    if lines or file.startswith("<"):
        return lines
    try:  # what is not in the encoding that it claims
        content = Path(file).read_bytes()
    except (OSError, ValueError):
        return []
    claimed = CODING.search(b"\n".join(content.splitlines()[:2]))
    try:
        return content.decode(claimed[1].decode() if claimed else "utf-8", "replace").splitlines()
    except LookupError:
        return content.decode("utf-8", "replace").splitlines()


def place_of(traceback: TracebackType, around: int = AROUND) -> Place:
    """Where a frame of a traceback is."""
    code = traceback.tb_frame.f_code
    line = traceback.tb_lineno or code.co_firstlineno  # None where the bytecode has lost it
    namespace = traceback.tb_frame.f_globals
    positions: tuple[int | None, int | None, int | None, int | None] = (None, None, None, None)
    if traceback.tb_lasti >= 0:
        positions = next(itertools.islice(code.co_positions(), traceback.tb_lasti // 2, None), positions)
    first, end_line, column, end_column = positions
    if first != line or column is None or end_column is None:
        return place_at(code.co_filename, line, around=around, namespace=namespace)
    text = linecache.getline(code.co_filename, line, namespace)
    columns = (_characters(text, column) + 1, _characters(text, end_column) + 1)  # that of another line: not used
    return place_at(
        code.co_filename, line, end_line=end_line or line, columns=columns, around=around, namespace=namespace
    )


def _characters(text: str, bytes_: int) -> int:
    """How many characters the first bytes of a text are, in UTF-8."""
    return bytes_ if text.isascii() else len(text.encode("utf-8", "replace")[:bytes_].decode("utf-8", "replace"))


def place_of_syntax_error(error: SyntaxError, around: int = AROUND) -> Place | None:
    """Where the parser gave up; None if it does not say."""
    if not error.filename or not error.lineno:
        return None
    column = error.offset or 0
    end_column = getattr(error, "end_offset", None) or 0
    end_line = getattr(error, "end_lineno", None) or error.lineno
    if end_line != error.lineno or end_column <= column:
        end_line, end_column = error.lineno, column + 1
    place = place_at(error.filename, error.lineno, columns=(column, end_column), around=around)
    if place.lines or not error.text:
        return place
    first, text = error.lineno, error.text.rstrip("\n")
    return Place(error.filename, first, first, max(column, 0), end_column if column > 0 else 0, first, (text,))
