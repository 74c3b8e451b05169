"""Static and media files: Django's answers, sooner, and what Django does not have."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders, handlers
from django.core import signals
from django.core.files.storage import FileSystemStorage
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path, re_path
from django.views.static import serve

from devrunserver.server.django import static_setup
from devrunserver.server.django.static_files import StaticFilesHandler
from tests.server.conftest import Run, Running
from tests.server.wire import Answer

HOST = "Host: localhost\r\n"
CACHED: Any = finders.get_finder
CONTENT = "body { color: red }\n" * 100

urlpatterns = [
    re_path(r"^media/(?P<path>.*)$", lambda request, path: serve(request, path, os.environ["TESTS_MEDIA"])),
    path("page/", lambda request: HttpResponse("page")),
]


@pytest.fixture
def directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Two directories of static files; the first one wins."""
    found = [tmp_path / "one", tmp_path / "two"]
    for directory in found:
        directory.mkdir()
    (found[1] / "a.css").write_text(CONTENT)
    (found[1] / "empty.js").write_text("")
    (found[1] / "archive.tar.gz").write_bytes(b"\x1f\x8b" * 50)
    (found[1] / "ohne Endung \u00e4").write_text("x")
    monkeypatch.setenv("TESTS_MEDIA", str(found[1]))
    project = {
        "STATICFILES_DIRS": [str(one) for one in found],
        "ROOT_URLCONF": __name__,
        "ALLOWED_HOSTS": ["localhost"],
    }
    with override_settings(DEBUG=True, **project):
        CACHED.cache_clear()
        yield found
    CACHED.cache_clear()


@pytest.fixture
def serving(run: Run, directories: list[Path]) -> Running:
    return run(application=static_setup.wrap(django_application(), True, False))


def django_application() -> Any:
    from django.core.handlers.wsgi import WSGIHandler

    return WSGIHandler()


def get(running: Running, path: str, fields: str = "", method: str = "GET") -> Answer:
    with running.wire() as wire:
        wire.send(f"{method} {path} HTTP/1.1\r\n{HOST}{fields}Connection: close\r\n\r\n")
        return wire.answer(method)


def same(answer: Answer) -> tuple[Any, ...]:
    """What has to be the same as with Django."""
    own = {"date", "etag", "accept-ranges", "connection", "transfer-encoding"}
    headers = sorted((name, value) for name, value in answer.headers if name.lower() not in own)
    return answer.status, headers, answer.body


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "url",
    [
        "/static/a.css",
        "/static/a.css/",
        "/static//a.css",
        "/static/./a.css",
        "/static/x/../a.css",
        "/static/%61.css?version=1",
        "/static/empty.js",
        "/static/archive.tar.gz",
        "/static/ohne%20Endung%20%C3%A4",
        "/static/admin",
        "/static/",
        "/static/missing.css",
        "/page/",
        "/nowhere/",
    ],
)
def test_the_same_answers_as_with_django(run: Run, directories: list[Path], url: str, method: str) -> None:
    django = run(application=handlers.StaticFilesHandler(django_application()))
    ours = run(application=static_setup.wrap(django_application(), True, False))
    expected = same(get(django, url, method=method))
    for _ in range(2):  # found, and remembered
        assert same(get(ours, url, method=method)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "/static/../settings.py",
        "/static/../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2f..%2fetc/passwd",
        "/static/%2fetc/passwd",
        "/static/a.css%00",
        "/static/%00",
        "/static/..%5c..%5cetc%5cpasswd",
        "/static/" + "a" * 300,
        "/static/a.css/b",
    ],
)
def test_what_leads_out_is_not_found(serving: Running, url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert get(serving, url).status == 404
    assert "Traceback" not in capfd.readouterr().err


def test_a_host_that_is_not_allowed_is_told_so(serving: Running, capfd: pytest.CaptureFixture[str]) -> None:
    with serving.wire() as wire:
        wire.send("GET /static/missing.css HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert wire.answer().status == 400
    assert "The above exception" not in capfd.readouterr().err


# Freshness


def change_in_place(file: Path) -> None:
    file.write_text("changed")


def replace(file: Path) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text("changed")
    draft.replace(file)


def replace_with_the_same_time_and_size(file: Path) -> None:
    before = file.stat()
    draft = file.with_suffix(".draft")
    draft.write_text("changed" + " " * (before.st_size - 7))
    os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))
    draft.replace(file)


def put_before(file: Path) -> None:
    (file.parent.parent / "one" / file.name).write_text("changed")


IN_PLACE = [change_in_place, replace, replace_with_the_same_time_and_size]


@pytest.mark.parametrize(
    ("url", "change"),
    [*itertools.product(["/static/a.css", "/media/a.css"], IN_PLACE), ("/static/a.css", put_before)],
)
def test_a_changed_file_is_fresh(
    serving: Running, directories: list[Path], change: Callable[[Path], None], url: str
) -> None:
    first = get(serving, url)
    assert first.body == CONTENT.encode()
    conditions = f"If-None-Match: {first['ETag']}\r\nIf-Modified-Since: {first['Last-Modified']}\r\n"
    assert get(serving, url, conditions).status == 304
    change(directories[1] / "a.css")
    answer = get(serving, url, conditions)
    assert (answer.status, answer.body.strip()) == (200, b"changed")


def test_a_file_that_goes_and_comes_back(serving: Running, directories: list[Path]) -> None:
    file = directories[1] / "a.css"
    assert get(serving, "/static/a.css").status == 200
    file.unlink()
    assert get(serving, "/static/a.css").status == 404
    file.write_text("again")
    assert get(serving, "/static/a.css").body == b"again"


# Conditions and ranges


@pytest.mark.parametrize("url", ["/static/a.css", "/media/a.css"])
@pytest.mark.parametrize(
    ("fields", "status", "body", "content_range"),
    [
        ("", 200, CONTENT, None),
        ("Range: bytes=0-3\r\n", 206, "body", "bytes 0-3/2000"),
        ("Range: bytes=-2\r\n", 206, "}\n", "bytes 1998-1999/2000"),
        ("Range: bytes=2000-\r\n", 416, "", "bytes */2000"),
        ("Range: bytes=0-1,3-4\r\n", 200, CONTENT, None),
        ('Range: bytes=0-3\r\nIf-Range: "other"\r\n', 200, CONTENT, None),
        ('If-None-Match: "other"\r\n', 200, CONTENT, None),
        ("If-None-Match: *\r\n", 304, "", None),
        ("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n", 304, "", None),
        ('If-Match: "other"\r\n', 412, "", None),
    ],
)
def test_conditions_and_ranges(
    serving: Running, url: str, fields: str, status: int, body: str, content_range: str | None
) -> None:
    answer = get(serving, url, fields)
    assert (answer.status, answer.body.decode(), answer["Content-Range"]) == (status, body, content_range)
    if status in (200, 206):
        assert answer["Accept-Ranges"] == "bytes"
        assert answer["ETag"] and answer["Last-Modified"]
        assert answer["Content-Length"] == str(len(body))
        assert answer["Content-Type"] == "text/css"
    else:
        assert answer["Content-Type"] is None


def test_a_part_of_the_same_file(serving: Running) -> None:
    first = get(serving, "/static/a.css")
    for validator in (first["ETag"], first["Last-Modified"]):
        assert get(serving, "/static/a.css", f"Range: bytes=0-3\r\nIf-Range: {validator}\r\n").body == b"body"


def test_what_is_no_file_has_no_parts(serving: Running) -> None:
    answer = get(serving, "/page/", "Range: bytes=0-1\r\n")
    assert (answer.status, answer.body, answer["Accept-Ranges"]) == (200, b"page", None)


# What is the project's


class Themes(finders.BaseFinder):
    """A finder that has its reasons, and a second thought."""

    def __init__(self, app_names: object = None) -> None:
        self.asked = 0

    def check(self, **kwargs: Any) -> list[Any]:
        return []

    def find(self, path: str, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        directory = Path(os.environ["TESTS_MEDIA"])
        return str(directory / ("a.css" if self.asked % 2 else "empty.js")) if path == "theme.css" else []

    def list(self, ignore_patterns: object) -> Any:
        return []


def test_a_finder_of_the_project_is_asked_each_time(run: Run, directories: list[Path]) -> None:
    with override_settings(STATICFILES_FINDERS=[f"{__name__}.Themes"]):
        running = run(application=static_setup.wrap(django_application(), True, False))
        for _ in range(3):
            get(running, "/static/theme.css")
        finder: Any = finders.get_finder(f"{__name__}.Themes")
        assert finder.asked >= 3


class Shouting(StaticFilesHandler):
    """A handler that replaces what is answered."""

    def serve(self, request: HttpRequest) -> Any:
        return HttpResponse("SHOUTED")


def test_a_handler_that_replaces_something_is_respected(run: Run, directories: list[Path]) -> None:
    running = run(application=Shouting(django_application()))
    for _ in range(2):
        assert get(running, "/static/a.css").body == b"SHOUTED"


class Renamed(FileSystemStorage):
    """A storage with names of its own."""

    def path(self, name: str) -> str:
        return super().path(f"{name}.renamed")


def test_a_storage_of_the_project_is_respected(
    run: Run, directories: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (directories[0] / "b.css.renamed").write_text("renamed")
    monkeypatch.setattr(finders.AppDirectoriesFinder, "storage_class", Renamed)
    with override_settings(STATICFILES_FINDERS=["django.contrib.staticfiles.finders.AppDirectoriesFinder"]):
        CACHED.cache_clear()
        finder: Any = finders.get_finder("django.contrib.staticfiles.finders.AppDirectoriesFinder")
        finder.storages, finder.apps = {"tests": Renamed(str(directories[0]))}, ["tests"]
        running = run(application=static_setup.wrap(django_application(), True, False))
        for text in ("renamed", "renamed again"):
            (directories[0] / "b.css.renamed").write_text(text)
            assert get(running, "/static/b.css").body.decode() == text


def test_files_that_are_known_are_no_requests_to_django(serving: Running) -> None:
    seen: list[str] = []

    def note(environ: dict[str, Any], **kwargs: Any) -> None:
        seen.append(environ["PATH_INFO"])

    signals.request_started.connect(note)
    try:
        for url in ("/static/a.css", "/static/missing", "/page/"):
            get(serving, url)
    finally:
        signals.request_started.disconnect(note)
    assert seen == ["/static/missing", "/page/"]


@pytest.mark.parametrize(
    ("options", "wrapped"),
    [((True, False), True), ((False, False), False), ((True, True), True), ((False, True), False)],
)
def test_who_serves_static_files(options: tuple[bool, bool], wrapped: bool) -> None:
    with override_settings(DEBUG=True):
        assert isinstance(static_setup.wrap(django_application(), *options), StaticFilesHandler) is wrapped
    with override_settings(DEBUG=False):
        assert isinstance(static_setup.wrap(django_application(), *options), StaticFilesHandler) is (
            wrapped and options[1]
        )


@pytest.mark.parametrize(
    ("static_url", "media_url", "paths"),
    [
        ("/static/", "/media/", ("/static/", "/media/")),
        ("static/", "", ("/static/",)),
        ("https://cdn.example/static/", "/", ()),
        (None, "/files/", ("/files/",)),
    ],
)
def test_the_paths_of_files(static_url: str | None, media_url: str, paths: tuple[str, ...]) -> None:
    with override_settings(STATIC_URL=static_url, MEDIA_URL=media_url):
        assert static_setup.url_paths() == paths
