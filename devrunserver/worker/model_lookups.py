"""Who asks Django for a model while it is imported: by a name in settings or in a string, so that no import tells.

``get_user_model()`` and its like fail where the model is not there yet. So what asks for one depends on its module, as
if it had imported that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps

METHOD = "get_model"


class ModelLookups:
    """Notes them from now on, until it is told to stop.

    Args:
        note: told the module of each model that was asked for, by the code that is being executed.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note: Callable[[str], None] | None = note
        self._get_model = apps.get_model
        vars(apps)[METHOD] = self._on_lookup

    def stop(self) -> None:
        """Gives Django back what it had, unless somebody else has put something there."""
        self._note = None
        if vars(apps).get(METHOD) == self._on_lookup:
            del vars(apps)[METHOD]

    def _on_lookup(self, *args: Any, **kwargs: Any) -> Any:
        model = self._get_model(*args, **kwargs)
        if self._note is not None:
            self._note(model.__module__)
        return model
