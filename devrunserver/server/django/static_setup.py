"""Whether static files are served in development, and where requests are logged as theirs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings

STATICFILES = "django.contrib.staticfiles"


def setting(name: str) -> str:
    """A setting that is a text; empty where there is none."""
    return str(getattr(settings, name, None) or "")


def is_installed() -> bool:
    return bool(apps.is_installed(STATICFILES))


def wrap(handler: Any, use_static_handler: bool, insecure_serving: bool) -> Any:
    """The handler that serves static files too, if it should: under DEBUG or by ``--insecure``."""
    if not (use_static_handler and (settings.DEBUG or insecure_serving)):
        return handler
    from devrunserver.server.django.static_files import (
        StaticFilesHandler,  # finders and views are of use now, and not before
    )

    return StaticFilesHandler(handler)


def url_paths() -> tuple[str, ...]:
    """The beginnings of the paths of static and media files on this server."""
    paths = []
    for url in (settings.STATIC_URL, settings.MEDIA_URL):
        parts = urlsplit(url or "")
        if not parts.netloc and parts.path.strip("/"):
            paths.append(parts.path)
    return tuple(paths)
