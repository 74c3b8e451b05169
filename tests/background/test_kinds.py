from __future__ import annotations

import sys
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import CharField
from django.db.models.options import Options
from django.utils.functional import cached_property

from devrunserver.background.fingerprint import Fingerprint
from devrunserver.background.kinds import Kinds
from devrunserver.background.varying import Varying


class Measure(CharField):  # type: ignore[type-arg]
    @cached_property
    def unit(self) -> str:
        return "m"


def test_what_models_have_been_asked_does_not_count_but_what_a_project_keeps() -> None:
    kinds = Kinds(lambda name: False, hash, Varying())
    assert {"fields", "related_objects", "_relation_tree", "managers", "swapped"} <= kinds[Options].ignored
    assert not {"local_fields", "db_table", "apps", "related_fkey_lookups"} & kinds[Options].ignored
    assert "cached_col" in kinds[Measure].ignored
    assert "unit" not in kinds[Measure].ignored


class Settings:
    """What loads a setting when it is asked for, and keeps it."""

    def __getattr__(self, name: str) -> Any:
        setattr(self, name, name.lower())
        return getattr(self, name)


class Wrapper:
    """In place of Django's module."""

    settings = Settings()


def test_settings_of_a_package_that_takes_the_place_of_djangos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that come in another order ask for them in another order."""
    monkeypatch.setitem(sys.modules, "django.conf", Wrapper())  # type: ignore[arg-type]

    def told() -> dict[str, int]:
        return Fingerprint(lambda name: False).attributes(__name__)

    before = told()
    assert Wrapper.settings.DEBUG == "debug"
    assert told() == before
    monkeypatch.undo()
    assert Wrapper.settings.LANGUAGE_CODE == "language_code"
    assert told() != before


def test_a_fingerprint_is_the_same_once_models_were_asked() -> None:
    def told() -> dict[str, int]:
        return Fingerprint(lambda name: False).attributes("django.contrib.auth.models")

    Group._meta._expire_cache()  # type: ignore[attr-defined]
    before = told()
    assert Group._meta.fields
    assert Group._meta.get_field("name").cached_col
    assert told() == before
    Group._meta.verbose_name, kept = "team", Group._meta.verbose_name
    try:
        assert told() != before
    finally:
        Group._meta.verbose_name = kept
