"""In which files views are, and that each is told once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin import ModelAdmin
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path
from django.views.generic import TemplateView

from devrunserver.common.messages import Message, ViewAsked
from devrunserver.worker.view_files import ViewFiles, file_behind


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@functools.wraps(view)
def decorated(request: HttpRequest) -> HttpResponse:
    return view(request)


class Page(TemplateView):
    pass


class BookAdmin(ModelAdmin):  # type: ignore[type-arg]
    pass


def of_admin() -> Callable[..., HttpResponse]:
    """As Django's ``ModelAdmin.get_urls`` makes them."""

    def wrapper() -> HttpResponse:
        return HttpResponse()

    wrapper.__module__ = "django.contrib.admin.options"
    wrapper.model_admin = BookAdmin.__new__(BookAdmin)  # type: ignore[attr-defined]
    return wrapper


@pytest.mark.parametrize(
    "one",
    [view, decorated, functools.partial(view), Page.as_view(), of_admin()],
    ids=["function", "decorated", "partial", "class", "admin"],
)
def test_the_file_of_a_view(one: Any) -> None:
    assert file_behind(one) == __file__


@pytest.mark.parametrize("one", [None, 3, object(), functools.partial(len)])
def test_what_is_in_no_file(one: Any) -> None:
    assert file_behind(one) is None


def test_each_is_told_once() -> None:
    told: list[Message] = []
    files = ViewFiles(lambda file: True, told.append)
    for one in (view, view, decorated, None):
        files.on_view(one)
    assert told == [ViewAsked(__file__)]


def test_only_the_projects_own() -> None:
    told: list[Message] = []
    ViewFiles(lambda file: False, told.append).on_view(view)
    assert told == []


urlpatterns = [path("page/", view)]


@override_settings(ROOT_URLCONF=__name__)
def test_requests_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseHandler, "resolve_request", BaseHandler.resolve_request)  # restored in the end
    told: list[Message] = []
    ViewFiles(lambda file: True, told.append).begin()
    match = BaseHandler().resolve_request(RequestFactory().get("/page/"))
    assert match.func is view
    assert told == [ViewAsked(__file__)]


@override_settings(ROOT_URLCONF=__name__)
def test_a_fault_of_ours_fails_no_request(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(BaseHandler, "resolve_request", BaseHandler.resolve_request)

    def fail(message: Message) -> None:
        raise RuntimeError("the link")

    ViewFiles(lambda file: True, fail).begin()
    assert BaseHandler().resolve_request(RequestFactory().get("/page/")).func is view
    assert "has failed" in capsys.readouterr().err
