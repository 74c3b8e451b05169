"""The relations that models have by now, and that Django does not know of: it has kept an answer from before.

Theory of operation
-------------------
Which relations lead to a model, and so which fields it has in all, Django finds out when it is asked first, and keeps.
It forgets that whenever a model is made, but not while ``ready()`` is called, and not before. So a model that is made
there may be missing in what others were asked before, for as long as the process lives: it depends on the order of
imports. Nothing else that Django keeps of models does, see ``kinds.py``; so here it is asked anew. That makes it forget
what it has kept, which is why only a process may do this that is to tell its state, and will not serve.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

REGISTRY = "django.apps.registry"
ATTRIBUTE = "outdated_relations"  # under this name they are told, as if they were in that module
TREE = "_relation_tree"  # fields of other models that lead to a model


class Missing(NamedTuple):
    """A field of another model, or the relation that belongs to it, that a kept answer lacks."""

    of: str  # the label of the model that it leads to
    model: type[Any]
    name: str


def outdated_relations() -> list[Missing]:
    """What is missing, in the order of names; nothing as long as models are not all there."""
    apps = getattr(sys.modules.get(REGISTRY), "apps", None)
    if apps is None or not apps.models_ready:
        return []
    found: set[Missing] = set()
    with suppress(Exception):  # a project may have fields and models of its own kind
        models = [model for models in apps.all_models.values() for model in models.values()]
        kept = [(model._meta, dict(model._meta._get_fields_cache), vars(model._meta).get(TREE)) for model in models]
        for model in models:
            model._meta._expire_cache()
        for options, answers, tree in kept:
            if tree is not None:
                found.update(_missing(options.label, tree, getattr(options, TREE)))
            for asked, fields in answers.items():
                found.update(_missing(options.label, fields, options._get_fields(*asked)))
    return sorted(found, key=lambda one: (one.of, one.model.__module__, one.model.__qualname__, one.name))


def _missing(label: str, kept: Any, now: Any) -> Iterator[Missing]:
    known = set(map(id, kept))
    for field in now:
        if id(field) not in known:
            field = getattr(field, "field", field)  # of a relation that leads here
            yield Missing(label, field.model, field.name)
