"""What is served by ASGI: the project's application, and beside it static files."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from asgiref.compatibility import guarantee_single_callable
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from devrunserver.server.access_log import OWN_PATHS
from devrunserver.server.asgi.server import AsgiServer
from devrunserver.server.asgi.turn import Options
from devrunserver.server.django import static_setup
from devrunserver.server.django.asgi_host import AsgiHandler, not_found

MESSAGE_SIZE = 1 << 20  # bytes


def load_application() -> Any:
    """The project's ASGI application; Django's where it names none.

    Raises:
        ImproperlyConfigured: it cannot be imported.
    """
    name = static_setup.setting("ASGI_APPLICATION")
    if not name:
        return get_asgi_application()
    try:
        return guarantee_single_callable(import_string(name))  # type: ignore[no-untyped-call]
    except ImportError as error:
        raise ImproperlyConfigured(f"ASGI application '{name}' could not be loaded; Error importing module.") from error


def make_handler(options: dict[str, Any], serves_static: bool) -> AsgiHandler:
    """What is to be served.

    Args:
        options: of the command line.
        serves_static: whether static files are, where DEBUG or ``--insecure`` allow it.
    """
    others = static_setup.wrap(not_found, serves_static, options.get("insecure_serving", False))
    own = (OWN_PATHS, (settings.FORCE_SCRIPT_NAME or "").rstrip("/") + OWN_PATHS)
    paths = own if others is not_found else (*own, *_static_path())
    served = Options(
        is_threaded=options.get("use_threading", True),
        http_timeout=options.get("http_timeout"),
        handshake_timeout=options.get("websocket_handshake_timeout") or Options.handshake_timeout,
        message_limit=_limit(options.get("websocket_max_message_size"), "DAPHNE_WEBSOCKET_MAX_MESSAGE_SIZE"),
        frame_limit=_limit(options.get("websocket_max_frame_size"), "DAPHNE_WEBSOCKET_MAX_FRAME_SIZE"),
    )
    return AsgiHandler(AsgiServer(load_application(), paths, served), others)


def _static_path() -> tuple[str, ...]:
    parts = urlsplit(settings.STATIC_URL or "")
    return (parts.path,) if parts.path and not parts.netloc else ()


def _limit(option: int | None, name: str) -> int | None:
    """A limit in bytes as daphne takes it: by option, by setting, or by default; 0 is none."""
    limit = getattr(settings, name, MESSAGE_SIZE) if option is None else option
    return limit or None
