"""SQL as people read it: one clause a line, its words coloured on a terminal."""

from __future__ import annotations

from collections.abc import Callable

import sqlparse
from sqlparse import tokens

LONGEST = 10_000  # characters that are formatted; it takes long with more

Paint = Callable[[str], str]


def formatted(sql: str, paint: Paint | None = None) -> str:
    """A query with a line for each of its clauses.

    Args:
        paint: colours a word of SQL; None: there are no colours.
    """
    if len(sql) > LONGEST:
        return f"{sql[:LONGEST]}…"
    text = str(sqlparse.format(sql, reindent=True, keyword_case="upper"))
    if paint is None:
        return text
    return "".join(
        paint(token.value) if token.ttype in tokens.Keyword else token.value
        for statement in sqlparse.parse(text)
        for token in statement.flatten()  # type: ignore[no-untyped-call]
    )
