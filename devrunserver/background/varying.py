"""What is another value in each process, though nobody has done anything else: addresses and times."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

ADDRESS = 2**40  # integers from here on may be addresses
LARGE_NUMBER = re.compile(r"\d{13}")  # at least ``ADDRESS``
# What ``repr`` and ``hex`` make of an address, and what ``str`` does
ADDRESS_IN_TEXT = re.compile(r" at 0x[0-9a-f]+|0x[0-9a-f]{9,}|(?<!\d)\d{14,15}(?!\d)")
FOURTEEN_DIGITS = re.compile(r"\d{14}")
SHORTEST_ADDRESS = 9  # characters
LONGEST = 100  # characters of a text that may be a time
DATE_FORMATS = ("%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d %b %Y")
HOUR = 3600.0  # seconds
DIGIT = re.compile(r"\d")
NOT_A_NUMBER = 2  # its digest
# Digits after the point, of numbers that somebody has written down; what a clock says has more, and so has how long
# something took. When it was said does not count: an import may have been hours ago, and clocks that begin with the
# machine pass numbers that are in sources.
DECIMALS = 4
EPOCH = 1e9  # seconds: from here on it is a date, of 2001 or later


class Varying:
    """Knows this process, and what time it is."""

    def __init__(self) -> None:
        now = time.time()
        self._dates = _dates_around(now)
        self._years = {time.strftime("%Y", time.gmtime(now + hours * HOUR)) for hours in (-24, 0, 24)}

    def number(self, value: float) -> int:
        """The digest of a number."""
        if value != value:
            return NOT_A_NUMBER  # whose hash is its address
        if type(value) is int:
            return hash(value) if -ADDRESS < value < ADDRESS else 1
        return 1 if value >= EPOCH or round(value, DECIMALS) != value else hash(value)

    def lasting(self, text: str) -> str:
        """A text without what varies: addresses, and the time where it is a time of today."""
        if len(text) >= SHORTEST_ADDRESS and ("0x" in text or FOURTEEN_DIGITS.search(text)):
            text = ADDRESS_IN_TEXT.sub("", text)
        if len(text) <= LONGEST and _has_one(text, self._years) and _has_one(text, self._dates):
            text = DIGIT.sub("0", text)
        return text

    def may_be_in(self, text: str) -> bool:
        """Whether something in the text of many values may vary."""
        return "0x" in text or LARGE_NUMBER.search(text) is not None or _has_one(text, self._years)


def _has_one(text: str, parts: Iterable[str]) -> bool:
    return any(map(text.__contains__, parts))


def _dates_around(now: float) -> set[str]:
    """Today's date as texts may hold it, here and elsewhere on earth."""
    days = [time.gmtime(now + hours * HOUR) for hours in (-24, 0, 24)]
    return {time.strftime(form, day) for form in DATE_FORMATS for day in (time.localtime(now), *days)}
