"""Who asks Django for a model, while it is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from devrunserver.worker.model_lookups import ModelLookups


@pytest.fixture
def noted() -> Iterator[tuple[list[str], ModelLookups]]:
    found: list[str] = []
    lookups = ModelLookups(found.append)
    yield found, lookups
    lookups.stop()
    assert "get_model" not in vars(apps)


@pytest.mark.parametrize(
    "ask", [get_user_model, lambda: apps.get_model("auth.User"), lambda: apps.get_model("auth", "user")]
)
def test_a_model_that_is_asked_for(noted: tuple[list[str], ModelLookups], ask: Callable[[], object]) -> None:
    assert ask() is User
    assert noted[0] == ["django.contrib.auth.models"]


def test_a_model_that_is_not_there(noted: tuple[list[str], ModelLookups]) -> None:
    with pytest.raises(LookupError):
        apps.get_model("auth.Nobody")  # type: ignore[misc]
    assert noted[0] == []


def test_who_keeps_the_method_is_not_noted_later(noted: tuple[list[str], ModelLookups]) -> None:
    kept = apps.get_model
    noted[1].stop()
    assert kept("auth.User") is User
    assert noted[0] == []
