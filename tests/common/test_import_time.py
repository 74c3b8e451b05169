"""What of an edit may show while modules are imported."""

from __future__ import annotations

import pytest

from devrunserver.common.import_time import may_show

VIEWS = """
from functools import cached_property
from shop import models

LIMIT = 10
NAMES = ["a"]


def index(request):
    return helper(1)


def helper(number):
    return number + LIMIT


def register(function):
    return function


@register
def tagged():
    return "tag"


@tags.register(name="late")
def tagged_late():
    return "late"


@now
def called():
    return "now"


class View(Base):
    title = "books"

    def get(self, request):
        return 1

    def __init_subclass__(cls):
        cls.known = 1

    def __str__(self):
        return "1"

    def ready(self):
        return "ready"

    @cached_property
    def shown(self):
        return 1
"""
URLS = b"from shop import views\nurlpatterns = [path('', views.index), path('2', views.View.as_view())]\n"


@pytest.mark.parametrize(
    ("old", "new", "dependent", "shows"),
    [
        ("return helper(1)", "return helper(2)", "", False),
        ("return number", "import json\n    return number", "", False),
        ('return "tag"', 'return "other"', "", False),
        ('return "late"', 'return "other"', "", False),
        ('return "now"', 'return "other"', "", True),
        ("LIMIT = 10", "LIMIT = 11", "", False),
        ("        return 1\n\n    def __init", "        return 2\n\n    def __init", "", False),
        ('return "1"', 'return "2"', "", False),
        ('return "ready"', 'return "not ready"', "", True),
        ("# no more", "# a comment", "", False),
        ("", "import json\n", "", True),
        ("def index(request)", "def index(request, more)", "", True),
        ("def index", "@register\ndef index", "", True),
        ('["a"]', '["a", "b"]', "", True),
        ('title = "books"', 'title = "other"', "", True),
        ("return function", "return 1", "", True),
        ("cls.known = 1", "cls.known = 2", "", True),
        ("class View(Base)", "class View(Other)", "", True),
        ("LIMIT = 10", "LIMIT = compute()", "", True),
        ("LIMIT = 10", "LIMIT = 10 if DEBUG else 11", "", True),
        ("return helper(1)", "return helper(", "", True),
        # the names are used elsewhere
        ("return helper(1)", "return helper(2)", "views.index(1)", True),
        ("return number", "return 2 * number", "views.index(1)", True),
        ("return number", "return 2 * number", "sorted(ALL, key=views.helper)", True),
        ("return number", "return 2 * number", "def later():\n    views.helper(1)", False),
        ("return number", "return 2 * number", "def now():\n    views.helper(1)\n\nnow()", True),
        ("return number", "return 2 * number", "class A:\n    def __new__(cls):\n        views.helper(1)", True),
        ("LIMIT = 10", "LIMIT = 11", "from shop.views import LIMIT", False),
        ("LIMIT = 10", "LIMIT = 11", "from shop.views import *\nif LIMIT:\n    pass", True),
        ("LIMIT = 10", "LIMIT = 11", "print(views.LIMIT)", True),
        ("LIMIT = 10", "LIMIT = 11", "this is no Python LIMIT", True),
        ("        return 1\n\n    def __init", "        return 2\n\n    def __init", "import other", False),
    ],
)
def test_what_may_show(old: str, new: str, dependent: str, shows: bool) -> None:
    source = VIEWS + "\n# no more"
    edited = source.replace(old, new) if old else new + source
    assert edited != source
    before, after = {"/p/views.py": source.encode()}, {"/p/views.py": edited.encode()}
    assert may_show(before, after, [URLS, dependent.encode()]) is shows


@pytest.mark.parametrize(
    ("extra", "shows"),
    [("", False), ("\nprint(View().shown)", True), ("\nshown = property(View.shown)", True)],
)
def test_a_property_is_used_where_it_is_read(extra: str, shows: bool) -> None:
    before = (VIEWS + extra).encode()
    head, _, tail = before.rpartition(b"return 1")
    assert may_show({"a": before}, {"a": head + b"return 2" + tail}, []) is shows


def test_another_file_is_edited() -> None:
    assert may_show({"a": b""}, {"a": b"", "b": b""}, [])
    assert not may_show({"a": b"A = 1"}, {"a": b"A = 1  # one"}, [b"x" * 400_000])


def test_where_too_much_is_to_be_read() -> None:
    assert may_show({"a": b"A = 1"}, {"a": b"A = 2"}, [b"A" + b"\n" * 400_000])
