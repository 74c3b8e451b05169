"""Values as text: bounded in size, without a query to a database, and whatever their ``__repr__`` does."""

from __future__ import annotations

import itertools
import reprlib
from collections.abc import Iterable
from typing import Any

MAX_TEXT = 300  # characters of one value
MAX_ITEMS = 20  # of a collection
MAX_VARIABLES = 30  # of a frame
MAX_LEVEL = 4  # of collections in collections


class BoundedRepr(reprlib.Repr):
    """``repr()`` that stays small."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = MAX_LEVEL
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdeque = self.maxdict = MAX_ITEMS
        self.maxstring = self.maxother = MAX_TEXT

    def repr1(self, x: Any, level: int) -> str:
        kind = type(x)
        if issubclass(kind, str):
            return self.repr_str(str.__str__(x)[: MAX_TEXT * 2], level)
        if issubclass(kind, bytes | bytearray):
            return self.repr_instance(bytes(x[:MAX_TEXT]), level)
        if any(base.__name__ == "QuerySet" for base in kind.__mro__) and getattr(x, "_result_cache", None) is None:
            return f"<{kind.__name__}: not evaluated>"  # its repr() would ask the database
        return super().repr1(x, level)

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """In the dictionary's own order: to sort a large one takes long."""
        if level <= 0:
            return "{...}" if x else "{}"
        items = [
            f"{self.repr1(key, level - 1)}: {self.repr1(one, level - 1)}"
            for key, one in itertools.islice(x.items(), MAX_ITEMS)
        ]
        return "{" + ", ".join(items) + (f", ... {len(x) - MAX_ITEMS} more" if len(x) > MAX_ITEMS else "") + "}"

    def _set(self, x: Iterable[Any], level: int, size: int) -> str:
        items = [self.repr1(one, level - 1) for one in itertools.islice(x, MAX_ITEMS)] if level > 0 else ["..."]
        return "{" + ", ".join(items) + (f", ... {size - MAX_ITEMS} more" if size > MAX_ITEMS else "") + "}"

    def repr_set(self, x: set[Any], level: int) -> str:
        return self._set(x, level, len(x)) if x else "set()"

    def repr_frozenset(self, x: frozenset[Any], level: int) -> str:
        return f"frozenset({self._set(x, level, len(x)) if x else ''})"

    def repr_instance(self, x: Any, level: int) -> str:
        try:
            text = repr(x)
        except Exception as error:
            return f"<{type(x).__name__}: its repr() raises {type(error).__name__}>"
        return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}... ({len(text)} characters)"


def text_of(value: object) -> str:
    """One value as text."""
    try:
        text = BoundedRepr().repr(value)
    except Exception as error:  # of its __class__, __mro__, __len__, ...
        return f"<a value that raises {type(error).__name__}>"
    return text if len(text) <= 4 * MAX_TEXT else f"{text[: 4 * MAX_TEXT]}..."


def message_of(error: BaseException) -> str:
    """What an exception says, if it can."""
    try:
        return str(error.msg if isinstance(error, SyntaxError) else error)  # the place is shown anyway
    except Exception as other:
        return f"<its str() raises {type(other).__name__}>"
