"""Conditional requests and ranges: RFC 9110, 13 and 14. Pure."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from enum import Enum

# RFC 9110, 14.1.2, a list in which members may be empty (5.6.1); a request for several ranges is one that the server
# may answer with the whole
RANGE = re.compile(r"bytes=[ \t,]*(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))[ \t,]*", re.IGNORECASE)
ENTITY_TAG = re.compile(r'(?:W/)?"[!#-~\x80-\xff]*"')  # RFC 9110, 8.8.3


class Verdict(Enum):
    """How to answer a GET or HEAD for a representation."""

    FULL = "200 OK"
    PARTIAL = "206 Partial Content"
    NOT_MODIFIED = "304 Not Modified"
    FAILED = "412 Precondition Failed"
    UNSATISFIABLE = "416 Range Not Satisfiable"


@dataclass(frozen=True)
class Representation:
    """What can be had, and how to tell whether it has changed."""

    size: int  # bytes
    etag: str
    last_modified: str


@dataclass(frozen=True)
class Selection:
    """The verdict, and which bytes are to be sent."""

    verdict: Verdict
    first: int
    count: int


@functools.lru_cache
def http_date(second: int) -> str:
    """A moment as HTTP writes it (RFC 9110, 5.6.7), given in seconds since 1970."""
    return formatdate(second, usegmt=True)


def of_file(status: os.stat_result) -> Representation:
    """A file as it is now. Its tag knows replacing, and writing more than once within a second."""
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'
    return Representation(status.st_size, etag, http_date(int(status.st_mtime)))


def select(environ: Mapping[str, str], one: Representation) -> Selection:
    """What a request asks for, in the order of RFC 9110, 13.2.2.

    Args:
        environ: of the request, a GET or HEAD.
        one: what would be sent in full.
    """
    nothing = Selection(Verdict.NOT_MODIFIED, 0, 0)
    full = Selection(Verdict.FULL, 0, one.size)
    if (wanted := environ.get("HTTP_IF_MATCH")) is not None:
        if not _names(wanted, one.etag, strongly=True):
            return Selection(Verdict.FAILED, 0, 0)
    elif (moment := environ.get("HTTP_IF_UNMODIFIED_SINCE")) is not None and _is_later(one.last_modified, moment):
        return Selection(Verdict.FAILED, 0, 0)
    if (known := environ.get("HTTP_IF_NONE_MATCH")) is not None:
        if _names(known, one.etag, strongly=False):
            return nothing
    elif (moment := environ.get("HTTP_IF_MODIFIED_SINCE")) is not None and _is_not_later(one.last_modified, moment):
        return nothing
    wanted = environ.get("HTTP_RANGE")
    if wanted is None or environ.get("REQUEST_METHOD") != "GET" or not _is_range_current(environ, one):
        return full
    return _select_range(wanted, one.size) or full


def content_range(selection: Selection, size: int) -> str:
    """The value of Content-Range for a partial or unsatisfiable answer: RFC 9110, 14.4."""
    if selection.verdict is Verdict.PARTIAL:
        return f"bytes {selection.first}-{selection.first + selection.count - 1}/{size}"
    return f"bytes */{size}"


def _select_range(wanted: str, size: int) -> Selection | None:
    """None where the range is to be ignored: it is several, or none that we know."""
    match = RANGE.fullmatch(wanted)
    if match is None:
        return None
    first, last, suffix = (int(number) if number else None for number in match.groups())
    if suffix is not None:
        begin, end = max(0, size - suffix), size
    else:
        begin, end = first or 0, size if last is None else min(last + 1, size)
        if last is not None and last < begin:
            return None
    if begin >= end:
        return Selection(Verdict.UNSATISFIABLE, 0, 0)
    return Selection(Verdict.PARTIAL, begin, end - begin)


def _is_range_current(environ: Mapping[str, str], one: Representation) -> bool:
    """Whether the client has a part of this representation and of no other: RFC 9110, 13.1.5."""
    condition = environ.get("HTTP_IF_RANGE")
    return condition is None or condition in (one.etag, one.last_modified)


def _names(tags: str, etag: str, strongly: bool) -> bool:
    if tags.strip() == "*":
        return True
    found = ENTITY_TAG.findall(tags)
    return etag in (found if strongly else [tag.removeprefix("W/") for tag in found])


def _is_later(last_modified: str, moment: str) -> bool:
    compared = _compare(last_modified, moment)
    return compared is not None and compared > 0


def _is_not_later(last_modified: str, moment: str) -> bool:
    compared = _compare(last_modified, moment)
    return compared is not None and compared <= 0


def _compare(one: str, other: str) -> float | None:
    """Seconds from the other date to the one; None where the other is no date, which is then ignored."""
    if one == other:
        return 0
    try:
        return parsedate_to_datetime(one).timestamp() - parsedate_to_datetime(other).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
