"""Conditional requests and ranges: RFC 9110, 13 and 14."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devrunserver.server.protocol.conditional import Representation, Selection, Verdict, content_range, of_file, select

ONE = Representation(100, '"one"', "Sat, 01 Nov 2025 12:00:00 GMT")
EARLIER, LATER = "Sat, 01 Nov 2025 11:59:59 GMT", "Sat, 01 Nov 2025 12:00:01 GMT"
FULL = Selection(Verdict.FULL, 0, 100)
KNOWN = Selection(Verdict.NOT_MODIFIED, 0, 0)
FAILED = Selection(Verdict.FAILED, 0, 0)
OUTSIDE = Selection(Verdict.UNSATISFIABLE, 0, 0)


def part(first: int, count: int) -> Selection:
    return Selection(Verdict.PARTIAL, first, count)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, FULL),
        ({"IF_NONE_MATCH": '"one"'}, KNOWN),
        ({"IF_NONE_MATCH": 'W/"one"'}, KNOWN),
        ({"IF_NONE_MATCH": '"two", "one"'}, KNOWN),
        ({"IF_NONE_MATCH": "*"}, KNOWN),
        ({"IF_NONE_MATCH": '"two"'}, FULL),
        ({"IF_NONE_MATCH": "one"}, FULL),
        ({"IF_MODIFIED_SINCE": ONE.last_modified}, KNOWN),
        ({"IF_MODIFIED_SINCE": LATER}, KNOWN),
        ({"IF_MODIFIED_SINCE": EARLIER}, FULL),
        ({"IF_MODIFIED_SINCE": "yesterday"}, FULL),
        ({"IF_MODIFIED_SINCE": "Sat, 01 Nov 99999 12:00:00 GMT"}, FULL),
        ({"IF_NONE_MATCH": '"two"', "IF_MODIFIED_SINCE": LATER}, FULL),  # the tag knows better
        ({"IF_MATCH": '"one"'}, FULL),
        ({"IF_MATCH": "*"}, FULL),
        ({"IF_MATCH": '"two"'}, FAILED),
        ({"IF_MATCH": 'W/"one"'}, FAILED),
        ({"IF_UNMODIFIED_SINCE": EARLIER}, FAILED),
        ({"IF_UNMODIFIED_SINCE": LATER}, FULL),
        ({"IF_UNMODIFIED_SINCE": "yesterday"}, FULL),
        ({"RANGE": "bytes=0-0"}, part(0, 1)),
        ({"RANGE": "bytes=0-1"}, part(0, 2)),
        ({"RANGE": "bytes=10-19"}, part(10, 10)),
        ({"RANGE": "bytes=90-"}, part(90, 10)),
        ({"RANGE": "bytes=90-1000"}, part(90, 10)),
        ({"RANGE": "bytes=-10"}, part(90, 10)),
        ({"RANGE": "bytes=-1000"}, part(0, 100)),
        ({"RANGE": "Bytes=0-"}, part(0, 100)),
        ({"RANGE": "bytes= 10-19 ,"}, part(10, 10)),
        ({"RANGE": "bytes=1 0-19"}, FULL),
        ({"RANGE": "by tes=10-19"}, FULL),
        ({"RANGE": "bytes=100-"}, OUTSIDE),
        ({"RANGE": "bytes=100-200"}, OUTSIDE),
        ({"RANGE": "bytes=-0"}, OUTSIDE),
        ({"RANGE": "bytes=5-4"}, FULL),
        ({"RANGE": "bytes=-"}, FULL),
        ({"RANGE": "bytes=a-b"}, FULL),
        ({"RANGE": "lines=1-2"}, FULL),
        ({"RANGE": "bytes=0-1,5-6"}, FULL),
        ({"RANGE": "bytes=0-1", "IF_RANGE": '"one"'}, part(0, 2)),
        ({"RANGE": "bytes=0-1", "IF_RANGE": ONE.last_modified}, part(0, 2)),
        ({"RANGE": "bytes=0-1", "IF_RANGE": '"two"'}, FULL),
        ({"RANGE": "bytes=0-1", "IF_RANGE": 'W/"one"'}, FULL),
        ({"RANGE": "bytes=0-1", "IF_RANGE": LATER}, FULL),
        ({"RANGE": "bytes=0-1", "IF_NONE_MATCH": '"one"'}, KNOWN),
    ],
)
def test_select(headers: dict[str, str], expected: Selection) -> None:
    environ = {"REQUEST_METHOD": "GET", **{f"HTTP_{name}": value for name, value in headers.items()}}
    assert select(environ, ONE) == expected


def test_only_get_has_ranges() -> None:
    assert select({"REQUEST_METHOD": "HEAD", "HTTP_RANGE": "bytes=0-1"}, ONE) == FULL


def test_nothing_has_no_part() -> None:
    empty = Representation(0, '"none"', ONE.last_modified)
    for wanted in ("bytes=0-", "bytes=-1"):
        assert select({"REQUEST_METHOD": "GET", "HTTP_RANGE": wanted}, empty) == OUTSIDE


def test_content_range() -> None:
    assert content_range(part(10, 5), 100) == "bytes 10-14/100"
    assert content_range(OUTSIDE, 100) == "bytes */100"


def test_the_tag_of_a_file_knows_every_way_to_change_it(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    os.utime(file, ns=(0, 10**18))
    tags = {of_file(file.stat()).etag}
    assert of_file(file.stat()).last_modified == "Sun, 09 Sep 2001 01:46:40 GMT"
    os.utime(file, ns=(0, 10**18 + 1))  # within the same second
    tags.add(of_file(file.stat()).etag)
    file.write_text("longer")
    os.utime(file, ns=(0, 10**18))
    tags.add(of_file(file.stat()).etag)
    (tmp_path / "b").write_text("two")
    os.utime(tmp_path / "b", ns=(0, 10**18))
    (tmp_path / "b").replace(file)
    tags.add(of_file(file.stat()).etag)
    assert len(tags) == 4
