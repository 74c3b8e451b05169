from __future__ import annotations

import sys
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User

from devrunserver.background.fingerprint import Fingerprint
from devrunserver.background.outdated_relations import ATTRIBUTE, REGISTRY, TREE, Missing, outdated_relations

MISSING = [Missing("auth.Group", User, "groups")]


def options() -> Any:
    """What Django knows of groups: no global name, under which the fingerprint would meet it first."""
    return Group._meta


def forget_users() -> None:
    """Leaves Django with what it would have kept if groups had been asked for their fields before there were users."""
    options()._expire_cache()
    assert options().get_fields()
    known = [field for field in vars(options())[TREE] if field.model is not User]
    options()._expire_cache()
    vars(options())[TREE] = known
    assert "user" not in {field.name for field in options().get_fields()}


def test_a_relation_that_came_too_late_is_missing() -> None:
    forget_users()
    assert outdated_relations() == MISSING
    assert outdated_relations() == [], "Django was asked anew"


def test_a_kept_answer_that_lacks_a_relation_counts_alone() -> None:
    """As that of a model that derives from another one, of which Django forgets only its own."""
    forget_users()
    del vars(options())[TREE]
    assert outdated_relations() == MISSING


def test_what_was_never_asked_lacks_nothing() -> None:
    options()._expire_cache()
    assert outdated_relations() == []


def test_before_models_are_there_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_users()
    with monkeypatch.context() as patch:
        patch.setattr(apps, "models_ready", False)
        assert outdated_relations() == []
    patch.undo()
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, REGISTRY)
        assert outdated_relations() == []
    assert outdated_relations() == MISSING


def test_it_shows_in_the_fingerprint_and_names_who_came_late() -> None:
    forget_users()
    fingerprint = Fingerprint(lambda name: False)
    assert ATTRIBUTE in fingerprint.attributes(REGISTRY)
    assert any(User.__module__ in entry for one in fingerprint.outline(REGISTRY, ATTRIBUTE) for entry in one)
    assert ATTRIBUTE not in Fingerprint(lambda name: False).attributes(REGISTRY)
