"""The streams of open pages, with socket pairs in place of browsers."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from devrunserver.common.page_changes import ASSET, CSS, ERROR, PAGE
from devrunserver.supervisor import page_streams
from devrunserver.supervisor.page_streams import PageStreams, with_changes
from tests.announcements import Announcements

PATIENCE = 30.0  # seconds; only a failing test waits so long


class Browser:
    """The other end of a stream."""

    def __init__(self, streams: PageStreams) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(PATIENCE)
        self.next = Announcements(self.socket).next
        streams.add(theirs)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def streams() -> Iterator[PageStreams]:
    with selectors.DefaultSelector() as selector:
        found = PageStreams(selector)
        yield found
        found.close()
        assert not selector.get_map()


def turn(streams: PageStreams) -> None:
    selector: Any = streams._selector
    for key, _ in selector.select(0):
        key.data()


def test_a_page_is_told_the_generation_at_once(streams: PageStreams) -> None:
    browser = Browser(streams)
    assert browser.next() == {"generation": streams.generation, "since": streams.generation, "changes": []}
    browser.close()


def test_every_page_is_told_of_every_change(streams: PageStreams) -> None:
    browsers = [Browser(streams) for _ in range(3)]
    began = streams.generation
    streams.begin_generation()
    streams.announce_start(PAGE)
    for browser in browsers:
        assert browser.next()["changes"] == []
        told = browser.next()
        assert told["generation"] == streams.rendered > began == told["since"]
        assert told["changes"] == [{"generation": streams.rendered, "kind": PAGE, "files": []}]
        browser.close()


def test_who_comes_late_is_told_all(streams: PageStreams) -> None:
    first = streams.next_generation()
    streams.announce([(CSS, ["/static/a.css"]), (ASSET, ["/static/a.js"])])
    streams.next_generation()
    streams.announce([(PAGE, [])])
    streams.begin_generation()
    streams.announce_start(ERROR)
    browser = Browser(streams)
    told = browser.next()
    assert [(one["generation"], one["kind"]) for one in told["changes"]] == [
        (first, CSS),
        (first, ASSET),
        (streams.rendered, ERROR),
    ]
    assert told["generation"] == streams.rendered
    browser.close()


MERGED = [
    # what was told, what happens, what is told then
    ([], (1, [(PAGE, [])]), [(1, PAGE, [])]),
    ([(1, PAGE, [])], (2, [(PAGE, [])]), [(2, PAGE, [])]),
    ([(1, PAGE, [])], (2, [(ERROR, [])]), [(2, ERROR, [])]),
    ([(1, ERROR, [])], (2, [(PAGE, [])]), [(2, PAGE, [])]),
    ([(1, ERROR, [])], (2, [(CSS, ["/a.css"])]), [(1, ERROR, []), (2, CSS, ["/a.css"])]),
    ([(1, CSS, ["/a.css"])], (2, [(CSS, ["/a.css"])]), [(2, CSS, ["/a.css"])]),
    ([(1, CSS, ["/a.css", "/b.css"])], (2, [(CSS, ["/a.css"])]), [(1, CSS, ["/b.css"]), (2, CSS, ["/a.css"])]),
    ([(1, CSS, ["/a.css"])], (2, [(PAGE, [])]), [(1, CSS, ["/a.css"]), (2, PAGE, [])]),
    ([], (1, [(CSS, ["/a.css"]), (ASSET, ["/a.js"])]), [(1, CSS, ["/a.css"]), (1, ASSET, ["/a.js"])]),
]


@pytest.mark.parametrize(("known", "happens", "told"), MERGED)
def test_only_the_last_change_counts(known: Any, happens: Any, told: Any) -> None:
    assert with_changes(known, *happens) == (told, 0)


def test_a_thousand_saves_are_as_good_as_one(streams: PageStreams) -> None:
    began = streams.generation
    for _ in range(1000):
        for change in [(PAGE, []), (CSS, ["/a.css"])]:
            streams.next_generation()
            streams.announce([change])  # type: ignore[list-item]
    browser = Browser(streams)
    told = browser.next()
    assert told["since"] == began and len(told["changes"]) == 2
    browser.close()


def test_what_is_not_kept_any_more_is_said_to_be_missing(streams: PageStreams) -> None:
    first = streams.next_generation()
    streams.announce([(CSS, ["/first.css"]), (PAGE, [])])
    for number in range(page_streams.MOST_FILES):
        streams.next_generation()
        streams.announce([(CSS, [f"/{number}.css"])])
    browser = Browser(streams)
    told = browser.next()
    assert told["since"] == first
    assert told["changes"][0] == {"generation": first, "kind": PAGE, "files": []}
    assert len(told["changes"]) == page_streams.MOST_FILES + 1
    browser.close()


def test_a_build_of_very_many_files_is_one_load(streams: PageStreams) -> None:
    generation = streams.next_generation()
    streams.announce([(ASSET, [f"/{number}.js" for number in range(page_streams.MOST_FILES + 1)])])
    browser = Browser(streams)
    assert browser.next() == {"generation": generation, "since": generation, "changes": []}
    browser.close()


def test_where_anything_may_have_changed_every_page_is_loaded(streams: PageStreams) -> None:
    streams.announce([(CSS, ["/a.css"])])
    open_page = streams.generation
    streams.forget()
    streams.begin_generation()
    streams.announce_start(PAGE)
    browser = Browser(streams)
    told = browser.next()
    assert open_page < told["since"] < streams.rendered == told["generation"]
    browser.close()


def test_the_generation_never_falls(streams: PageStreams) -> None:
    streams.begin_generation()
    later = streams.next_generation()
    streams.announce([(PAGE, [])])  # the worker has decided on a change before it served
    streams.announce_start(PAGE)
    assert streams.generation == streams.rendered > later


def test_a_page_that_goes_is_forgotten(streams: PageStreams) -> None:
    browser = Browser(streams)
    browser.close()
    turn(streams)
    assert len(streams) == 0
    streams.next_generation()
    streams.announce([(PAGE, [])])


def test_a_client_that_takes_nothing_is_let_go(streams: PageStreams) -> None:
    browser = Browser(streams)
    for _ in range(10_000):
        streams.next_generation()
        streams.announce([(CSS, ["/static/" + "a" * 1000])])
        if not len(streams):
            break
    assert len(streams) == 0
    browser.close()


def test_of_too_many_the_oldest_goes(streams: PageStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_streams, "MOST", 2)
    browsers = [Browser(streams) for _ in range(3)]
    assert len(streams) == 2
    assert browsers[0].next() is not None and browsers[0].next() is None
    for browser in browsers:
        browser.close()
