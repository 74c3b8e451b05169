"""Static files in development, as ``django.contrib.staticfiles`` serves them."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings

STATICFILES = "django.contrib.staticfiles"


def is_installed() -> bool:
    return bool(apps.is_installed(STATICFILES))


def wrap(handler: Any, use_static_handler: bool, insecure_serving: bool) -> Any:
    """The handler that serves static files too, if it should: under DEBUG or by ``--insecure``."""
    if not (use_static_handler and (settings.DEBUG or insecure_serving)):
        return handler
    from django.contrib.staticfiles.handlers import StaticFilesHandler

    return StaticFilesHandler(handler)
