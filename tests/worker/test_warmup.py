"""What is done before the first request, and that it changes nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.template import engines
from django.test import override_settings
from django.urls import URLResolver, clear_url_caches, get_resolver, include, path, re_path

from devrunserver.worker import warmup
from tests.live import Server


def view(request: object) -> HttpResponse:
    return HttpResponse()


inner = [re_path("(?P<year>[0-9]{4})", view, name="year"), path("day/", view, name="day")]
middle = [path("inner/", include((inner, "inner"), namespace="a")), path("again/", include((inner, "inner"), "b"))]
urlpatterns = [path("middle/", include((middle, "middle"))), path("", view, name="home")]


def resolvers(resolver: URLResolver) -> list[URLResolver]:
    found = [resolver]
    for one in found:
        found += [pattern for pattern in one.url_patterns if isinstance(pattern, URLResolver)]
    return found


@override_settings(ROOT_URLCONF=__name__)
def test_all_resolvers_are_populated() -> None:
    clear_url_caches()
    *populate, _ = warmup.steps()
    every: list[Any] = [*resolvers(get_resolver())]
    assert len(populate) == len(every) == 4
    assert not any(one._populated for one in every)
    for count, step in enumerate(populate, 1):
        step()
        assert sum(one._populated for one in every) == count, "each step is one resolver"
    assert get_resolver().reverse_dict.getlist("home")
    clear_url_caches()


def test_template_engines_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_engines", {})
    list(warmup.steps())[-1]()
    assert list(vars(engines)["_engines"]) == list(engines)


URLCONF = """

from django.http import HttpResponse
from django.urls import URLResolver
from django.urls import resolvers as _resolvers

class Telling(URLResolver):
    def _populate(self):
        import threading
        print("populated by", threading.current_thread().name, flush=True)
        super()._populate()

_resolvers.URLResolver = Telling
"""


@pytest.mark.live
@pytest.mark.parametrize("enabled", [True, False])
def test_a_worker_to_whom_nobody_talks(project: Path, enabled: bool) -> None:
    settings = project / "bookshop/settings.py"
    settings.write_text(f"{settings.read_text()}\nDEVRUNSERVER = {{'WARM_UP': {enabled}}}\n{URLCONF}")
    with Server(project) as server:
        if enabled:
            server.wait_for_log("populated by devrunserver-warmup")
        assert "shop.css" in server.get("/").body, "a page whose links are made by the resolver"
        by = set(re.findall(r"populated by (\S+)", server.log))
        assert enabled or by == {"devrunserver-request"}
