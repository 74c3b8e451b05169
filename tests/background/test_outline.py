from __future__ import annotations

import weakref
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from django.dispatch import Signal

from devrunserver.background.kinds import Kinds
from devrunserver.background.outline import Containers, Outliner
from devrunserver.background.varying import Varying


def made(module: str, name: str) -> type[Any]:
    """A class of some module."""
    return type(name, (), {"__module__": module})


def function(module: str, name: str) -> Any:
    def made() -> None: ...

    made.__module__, made.__qualname__ = module, name
    return made


def holding(one: type[Any], **attributes: Any) -> Any:
    """An object of some class with these attributes."""
    found = one()
    vars(found).update(attributes)
    return found


def outline(value: Any) -> Containers:
    return Outliner(Kinds(lambda name: name == "ours", hash, Varying())).outline(value)


TASK, TASK_ADMIN, SITE = made("tasks", "Task"), made("admin", "TaskAdmin"), made("django", "Site")
VIEW = function("views", "view")


@pytest.mark.parametrize(
    ("value", "containers"),
    [
        (1, []),
        ("text", []),
        (VIEW, [[("view", "views")]]),
        ([1, "text", VIEW, TASK], [[("view", "views"), ("Task", "tasks")]]),
        # what it is made of, not what others may have put into it since
        ({TASK: holding(TASK_ADMIN, list=[VIEW])}, [[("Task TaskAdmin", "tasks", "admin")], [("view", "views")]]),
        (
            [(1, TASK, TASK_ADMIN)],
            [[("Task TaskAdmin", "tasks", "admin")], [("Task", "tasks"), ("TaskAdmin", "admin")]],
        ),
        (holding(SITE, view=VIEW), [[("Site view", "django", "views")]]),
        (holding(SITE, registry={TASK: VIEW}), [[("Site", "django")], [("Task view", "tasks", "views")]]),
        ([holding(SITE, inner=holding(SITE, inner=holding(SITE, view=VIEW)))], [[("Site", "django")]]),
        ([partial(VIEW, TASK)], [[("partial view Task", "functools", "views", "tasks")], [("Task", "tasks")]]),
        ([weakref.ref(VIEW)], [[("view", "views")]]),
        ({TASK}, []),  # no order
        (made("ours", "Server")(), [[("Server", "ours")]]),
        (ModuleType("shop"), []),
    ],
)
def test_outline(value: Any, containers: Containers) -> None:
    assert outline(value) == containers


def test_receivers_of_a_signal_are_in_order() -> None:
    signal = Signal()
    receivers = [function(name, "on_save") for name in ("shop", "tasks")]
    for receiver in receivers:
        signal.connect(receiver)
    assert [("on_save", "shop"), ("on_save", "tasks")] in outline(signal)


def test_what_leads_back_to_itself_is_told_once() -> None:
    value: list[Any] = [VIEW]
    value.append(value)
    assert outline(value) == [[("view", "views")]]
