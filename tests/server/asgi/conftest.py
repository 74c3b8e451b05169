"""Servers that serve by ASGI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devrunserver.server.asgi.server import AsgiServer
from devrunserver.server.asgi.turn import Options
from devrunserver.server.django.asgi_host import AsgiHandler, not_found
from tests.server.conftest import Run, Running

RunAsgi = Callable[..., Running]


@pytest.fixture
def run_asgi(run: Run) -> RunAsgi:
    """Starts a server that serves an application by ASGI."""

    def start(application: Any, others: Any = not_found, paths: tuple[str, ...] = (), **options: Any) -> Running:
        return run(application=AsgiHandler(AsgiServer(application, paths, Options(**options)), others))

    return start
