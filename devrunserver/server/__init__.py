"""The HTTP server: HTTP/1.1 by the RFCs, behind the classes of Django's ``basehttp``."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devrunserver.server.django.handler import ServerHandler, WSGIRequestHandler
    from devrunserver.server.django.server import ThreadedWSGIServer, WSGIServer

__all__ = ["ServerHandler", "ThreadedWSGIServer", "WSGIRequestHandler", "WSGIServer"]


def __getattr__(name: str) -> Any:
    """The classes, imported when somebody asks for them: the supervisor, which serves nothing, needs none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from devrunserver.server.django import handler, server

    return getattr(handler if hasattr(handler, name) else server, name)
