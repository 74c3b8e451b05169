"""Which answers get the tag, where in them, and that nothing else is changed."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from devrunserver.server.injection import Tag, answer, asks_for_document, find_place, insert, is_document

TAG = b"<script></script>"
HTML = [("Content-Type", "text/html; charset=utf-8")]

REQUESTS = [
    ({"HTTP_SEC_FETCH_DEST": "document"}, True),
    ({"HTTP_SEC_FETCH_DEST": "iframe"}, True),
    ({"HTTP_SEC_FETCH_DEST": "frame"}, True),
    ({"HTTP_SEC_FETCH_DEST": "empty", "HTTP_ACCEPT": "text/html"}, False),  # fetch, htmx, Turbo
    ({"HTTP_SEC_FETCH_DEST": "image"}, False),
    ({"HTTP_SEC_FETCH_DEST": "script"}, False),
    ({"HTTP_SEC_FETCH_DEST": "empty", "HTTP_X_DEVRUNSERVER": "refresh"}, True),
    ({"HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8"}, True),  # a browser without Sec-Fetch
    ({"HTTP_ACCEPT": "text/html"}, True),
    ({"HTTP_ACCEPT": "text/html, application/xhtml+xml"}, False),  # Turbo Drive
    ({"HTTP_ACCEPT": "*/*"}, False),  # curl, scripts
    ({}, False),
    ({"HTTP_ACCEPT": "application/json"}, False),
    ({"HTTP_ACCEPT": "text/html", "HTTP_HX_REQUEST": "true"}, False),
    ({"HTTP_ACCEPT": "text/html", "HTTP_TURBO_FRAME": "a"}, False),
    ({"HTTP_ACCEPT": "text/html", "HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}, False),
    ({"REQUEST_METHOD": "POST", "HTTP_SEC_FETCH_DEST": "document"}, True),
    ({"REQUEST_METHOD": "HEAD", "HTTP_SEC_FETCH_DEST": "document"}, False),
    ({"REQUEST_METHOD": "OPTIONS", "HTTP_SEC_FETCH_DEST": "document"}, False),
]


@pytest.mark.parametrize(("environ", "wanted"), REQUESTS)
def test_which_requests_ask_for_a_document(environ: dict[str, str], wanted: bool) -> None:
    assert asks_for_document({"REQUEST_METHOD": "GET", **environ}) is wanted


ANSWERS = [
    ("200 OK", HTML, True),
    ("200 OK", [("content-type", "TEXT/HTML")], True),
    ("404 Not Found", HTML, True),
    ("500 Internal Server Error", HTML, True),
    ("200 OK", [("Content-Type", "text/plain")], False),
    ("200 OK", [("Content-Type", "text/htmlx")], False),
    ("200 OK", [("Content-Type", "application/xhtml+xml")], False),
    ("200 OK", [("Content-Type", "text/html; charset=utf-16")], False),
    ("200 OK", [("Content-Type", 'text/html; charset="UTF-32"')], False),
    ("200 OK", [], False),
    ("302 Found", HTML, False),
    ("304 Not Modified", HTML, False),
    ("204 No Content", HTML, False),
    ("206 Partial Content", HTML, False),
    ("200 OK", [*HTML, ("Content-Encoding", "br")], False),
    ("200 OK", [*HTML, ("Content-Encoding", "gzip")], True),
    ("200 OK", [*HTML, ("Content-Disposition", "attachment; filename=a.html")], False),
    ("200 OK", [*HTML, ("Content-Disposition", "inline")], True),
    ("200 OK", [*HTML, ("Content-MD5", "abc")], False),
]


@pytest.mark.parametrize(("status", "headers", "wanted"), ANSWERS)
def test_which_answers_are_documents(status: str, headers: list[tuple[str, str]], wanted: bool) -> None:
    assert is_document(status, headers) is wanted


PLACES = [  # what comes before the tag, and after it
    (b"<!doctype html><html><head>", b"<title>a</title></head>"),
    (b"<!DOCTYPE HTML>\n<HTML lang='en'>\n<HEAD profile=x>", b"\n<title>a"),
    (b"\xef\xbb\xbf<!doctype html>\n", b"<title>a"),
    (b"\n <!-- <head> --> <!doctype html><!-- b --><html class=\"a > b\"><head data-a='>'>", b"<meta>"),
    (b"<!doctype html><html>", b"<body><p>"),
    (b"<!doctype html>", b"<p>"),
    (b"", b"<p>a"),
    (b"", b"text <head> text"),
    (b"<?xml version='1.0'?><!doctype html>", b"<header>"),
    (b"<html>", b"<header><head>"),
    (b"", b"<htmlx><head>"),
    (b"<!doctype html>", b"<html lang="),  # cut, in the first block of a stream
    (b"<!doctype html>", b"<!-- a comment that never ends <head>"),
    (b"<head/>", b"<script>'<head>'</script>"),
    (b"<!doctype html><html><head><!-- no -->"[:27], b"<!-- no -->"),
    (b"<html\nlang=de\n><head\n>", b"x"),
]


@pytest.mark.parametrize(("before", "after"), PLACES)
def test_the_tag_goes_behind_what_a_parser_takes_first(before: bytes, after: bytes) -> None:
    assert find_place(before + after) == len(before)
    assert insert(before + after, TAG) == before + TAG + after


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_an_empty_document_stays_empty(content: bytes) -> None:
    assert insert(content, TAG) == content


class Page:
    """What Django's ``HttpResponse`` is to a server."""

    streaming = False

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return iter([self.content])

    def close(self) -> None:
        self.is_closed = True


class Got:
    """What the server is told by an application."""

    def __init__(self) -> None:
        self.heads: list[tuple[str, list[tuple[str, str]]]] = []
        self.written: list[bytes] = []
        self.failures: list[Exception] = []

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        self.heads.append((status, headers))
        return self.written.append

    def ask(self, application: Any, make: Any = lambda nonce: TAG) -> Any:
        tag = Tag(make, lambda: "localhost:8000/__devrunserver__/", self.failures.append)
        return answer(application, {"REQUEST_METHOD": "GET"}, self.start_response, tag)

    def header(self, name: str) -> str:
        [value] = [value for key, value in self.heads[0][1] if key == name]
        return value


def serving(result: Iterable[bytes], headers: list[tuple[str, str]] = HTML, status: str = "200 OK") -> Any:
    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, headers)
        return result

    return application


@pytest.mark.parametrize("result", [Page(b"<p>a"), [b"<p>", b"a"], (b"<p>a",)])
def test_a_document_gets_the_tag_and_its_length(result: Iterable[bytes]) -> None:
    got = Got()
    content = b"".join(got.ask(serving(result, [*HTML, ("Content-Length", "4")])))
    assert content == TAG + b"<p>a"
    assert got.header("Content-Length") == str(len(content))


def test_what_is_no_document_goes_out_as_it_is() -> None:
    page, got = Page(b"a"), Got()
    assert got.ask(serving(page, [("Content-Type", "text/plain"), ("Content-Length", "1")])) is page
    assert got.heads == [("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1")])]


def test_a_file_goes_out_as_it_is(tmp_path: Any) -> None:
    (tmp_path / "a.html").write_bytes(b"<p>a")
    with (tmp_path / "a.html").open("rb") as file:
        wrapper = FileWrapper(file)
        assert Got().ask(serving(wrapper)) is wrapper


def test_the_answer_of_the_application_is_closed() -> None:
    page = Page(b"<p>a")
    Got().ask(serving(page)).close()
    assert page.is_closed


def test_a_packed_document_is_packed_again() -> None:
    got = Got()
    packed = gzip.compress(b"<!doctype html><p>a")
    headers = [*HTML, ("Content-Encoding", "gzip"), ("Content-Length", str(len(packed)))]
    content = b"".join(got.ask(serving(Page(packed), headers)))
    assert gzip.decompress(content) == b"<!doctype html>" + TAG + b"<p>a"
    assert got.header("Content-Length") == str(len(content))


def test_what_only_says_to_be_packed_goes_out_as_it_is() -> None:
    page = Page(b"<p>a")
    assert Got().ask(serving(page, [*HTML, ("Content-Encoding", "gzip")])) is page


def test_a_stream_is_not_waited_for() -> None:
    got, made = Got(), []

    def blocks() -> Iterator[bytes]:
        for block in (b"", b"\n", b"<!doctype html><html><head>", b"<title>"):
            made.append(block)
            yield block

    stream = iter(got.ask(serving(blocks())))
    assert made == []
    assert got.heads
    assert next(stream) == b""
    assert next(stream) == b"\n"
    assert next(stream) == b"<!doctype html><html><head>" + TAG
    assert len(made) == 3
    assert list(stream) == [b"<title>"]


def test_a_stream_without_content_has_the_length_that_it_says() -> None:
    got = Got()
    content = b"".join(got.ask(serving(iter([b" "]), [*HTML, ("Content-Length", "1")])))
    assert len(content) == int(got.header("Content-Length"))


def test_a_packed_stream_goes_out_as_it_is() -> None:
    blocks = iter([b"<p>"])
    assert Got().ask(serving(blocks, [*HTML, ("Content-Encoding", "gzip")])) is blocks


def test_an_application_that_starts_late() -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", HTML)
        yield b"<p>a"

    got = Got()
    assert list(got.ask(application)) == [b"<p>a"]
    assert got.heads == [("200 OK", HTML)]


def test_an_application_that_writes() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", HTML)(b"<p>a")
        return []

    got = Got()
    assert list(got.ask(application)) == []
    assert got.written == [b"<p>a"] and got.heads == [("200 OK", HTML)]


def test_an_application_that_changes_its_mind() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", HTML)
        start_response("500 No", HTML, (ValueError, ValueError(), None))
        return [b"<p>a"]

    got = Got()
    assert list(got.ask(application)) == [TAG + b"<p>a"]
    assert got.heads == [("500 No", HTML)]


def test_an_error_of_ours_costs_the_page_nothing() -> None:
    def make(nonce: str) -> bytes:
        raise ValueError("ours")

    got, page = Got(), Page(b"<p>a")
    assert got.ask(serving(page), make) is page
    assert got.heads == [("200 OK", HTML)] and len(got.failures) == 1


def test_an_error_of_the_application_is_its_own() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        raise KeyError("theirs")

    got = Got()
    with pytest.raises(KeyError):
        got.ask(application)
    assert not got.failures and not got.heads


def test_a_policy_that_cannot_be_amended_keeps_its_page() -> None:
    page = Page(b"<p>a")
    headers = [*HTML, ("Content-Security-Policy", "script-src 'none'")]
    tag = Tag(lambda nonce: TAG, str, lambda error: None)
    got = Got()
    assert answer(serving(page, headers), {"REQUEST_METHOD": "GET"}, got.start_response, tag) is page
    assert got.heads == [("200 OK", headers)]
