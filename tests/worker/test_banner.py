"""What is told of where others reach the server."""

from __future__ import annotations

import threading
import webbrowser
from typing import Any

import pytest
from django.test import override_settings

from devrunserver.server import reachable
from devrunserver.worker import banner


@pytest.fixture(autouse=True)
def _network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachable, "addresses", lambda with_ipv6=True: ["192.168.1.5", *["fd00::5"] * with_ipv6])


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", []),
        ("localhost", []),
        ("192.168.1.5", []),
        ("0.0.0.0", ["https://192.168.1.5:8000/"]),
        ("0", ["https://192.168.1.5:8000/"]),
        ("::", ["https://192.168.1.5:8000/", "https://[fd00::5]:8000/"]),
    ],
)
def test_the_urls_for_others(host: str, expected: list[str]) -> None:
    found, lines = banner.urls("https", host, 8000, lambda one: True)
    assert found == expected
    assert lines == [f"On your network: {url}" for url in expected]


@pytest.mark.parametrize(
    ("allowed", "is_refused"),
    [([], True), (["*"], False), (["192.168.1.5"], False), (["example.com"], True)],
)
def test_what_django_refuses_is_told(allowed: list[str], is_refused: bool) -> None:
    with override_settings(DEBUG=True, ALLOWED_HOSTS=allowed, SECURE_HSTS_SECONDS=0):
        (line,) = banner.lines("http", "0.0.0.0", 8000, "", qr=False)
    assert ("refused until ALLOWED_HOSTS has '192.168.1.5'" in line) is is_refused


@pytest.mark.parametrize(
    ("scheme", "host", "port", "expected"),
    [
        ("http", "127.0.0.1", 8000, "http://127.0.0.1:8000/"),
        ("https", "0.0.0.0", 8000, "https://localhost:8000/"),
        ("http", "::", 80, "http://localhost/"),
        ("https", "::1", 443, "https://[::1]/"),
        ("https", "shop.localhost", 8443, "https://shop.localhost:8443/"),
    ],
)
def test_the_url_for_a_browser_here(scheme: str, host: str, port: int, expected: str) -> None:
    assert reachable.own_url(scheme, host, port) == expected


def test_the_code_for_a_phone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("segno")
    assert banner.qr_code(["https://192.168.1.5:8000/"]).count("\n") > 10
    assert banner.qr_code([]) == "--qr needs an address that others can reach: add 0.0.0.0:8000 to the command."
    monkeypatch.setitem(__import__("sys").modules, "segno", None)
    assert banner.qr_code(["x"]) == "--qr needs the package segno: python -m pip install 'devrunserver[qr]'"


@pytest.mark.parametrize(("seconds", "https", "count"), [(0, True, 0), (60, False, 0), (60, True, 1)])
def test_hsts_is_told(seconds: int, https: bool, count: int) -> None:
    with override_settings(SECURE_HSTS_SECONDS=seconds):
        assert len(list(banner.hsts_line(https))) == count


def test_without_a_screen_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banner, "_open", lambda *_: pytest.fail("opened"))
    monkeypatch.setattr("sys.platform", "linux")
    said: list[str] = []
    banner.open_browser("http://localhost/", said.append, {})
    assert said == ["--open: there is no screen here to open http://localhost/ on."]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (True, []),
        (False, ["--open: no browser could be opened for http://localhost/; the variable BROWSER names one."]),
        (webbrowser.Error("none"), ["--open: none"]),
    ],
)
def test_a_browser_is_opened(monkeypatch: pytest.MonkeyPatch, outcome: Any, expected: list[str]) -> None:
    opened: list[str] = []

    def open_browser(url: str) -> bool:
        opened.append(url)
        if isinstance(outcome, Exception):
            raise outcome
        return bool(outcome)

    monkeypatch.setattr(webbrowser, "open", open_browser)
    said: list[str] = []
    banner.open_browser("http://localhost/", said.append, {"DISPLAY": ":0"})
    for thread in threading.enumerate():
        if thread.name == "devrunserver-open":
            thread.join(30)
    assert opened == ["http://localhost/"]
    assert said == expected
