"""The HTTP server: HTTP/1.1 by the RFCs, behind the classes of Django's ``basehttp``."""

from devrunserver.server.django.handler import ServerHandler, WSGIRequestHandler
from devrunserver.server.django.server import ThreadedWSGIServer, WSGIServer

__all__ = ["ServerHandler", "ThreadedWSGIServer", "WSGIRequestHandler", "WSGIServer"]
