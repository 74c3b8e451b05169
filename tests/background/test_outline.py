from __future__ import annotations

import sys
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


def test_an_object_that_one_module_alone_has_was_made_there(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = {name: holding(SITE) for name in ("one", "two", "both")}
    modules = {name: ModuleType(name) for name in ("stores_one", "stores_two")}
    vars(modules["stores_one"]).update(ONE=stores["one"], ALSO=stores["one"], BOTH=stores["both"], LIST=[VIEW])
    vars(modules["stores_two"]).update(TWO=stores["two"], BOTH=stores["both"])
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    assert outline([*stores.values(), vars(modules["stores_one"])["LIST"]]) == [
        [("Site ONE", "django", "stores_one"), ("Site TWO", "django", "stores_two"), ("Site", "django")],
        [("view", "views")],
    ]
