"""The header fields of a response: RFC 9110, 5."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(r"[\t -~\x80-\xff]*")
LENGTH = re.compile(r"[0-9]+")
# RFC 9110, 7.6.1: these speak for one connection, which is the server's
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
STRICT_TRANSPORT = "strict-transport-security"  # RFC 6797


class Headers:
    """Fields in their order, found by name without regard to case."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self.fields = list(fields)
        self._values = {name.lower(): value for name, value in self.fields}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str) -> str | None:
        """The value of a field, whose name is given in lower case."""
        return self._values.get(name)

    def count(self, name: str) -> int:
        """How many fields have this name, given in lower case."""
        return sum(one.lower() == name for one, _ in self.fields)

    def add(self, name: str, value: str) -> None:
        self.fields.append((name, value))
        self._values[name.lower()] = value

    def drop(self, names: set[str]) -> None:
        """Takes out the fields of these names, given in lower case."""
        if not names.isdisjoint(self._values):
            self.fields = [one for one in self.fields if one[0].lower() not in names]
            self._values = {name: value for name, value in self._values.items() if name not in names}


def checked(name: object, value: object) -> tuple[str, str]:
    """Refuses what would be read as something else than one field.

    Raises:
        ValueError: it says what is wrong.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a header.")
    if not isinstance(value, str) or not VALUE.fullmatch(value):
        raise ValueError(f"{value!r} is no value of a header, here of {name}.")
    if name.lower() == "content-length" and not LENGTH.fullmatch(value):
        raise ValueError(f"{value!r} is no Content-Length.")
    return name, value
