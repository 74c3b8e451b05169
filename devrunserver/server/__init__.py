"""The HTTP server: Django's ``basehttp`` classes, which also stop without cutting an answer short."""

from devrunserver.server.http import ServerHandler, ThreadedWSGIServer, WSGIRequestHandler, WSGIServer

__all__ = ["ServerHandler", "ThreadedWSGIServer", "WSGIRequestHandler", "WSGIServer"]
