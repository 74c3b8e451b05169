"""Who answers while no worker does, for long: a page that comes again, and no connection is lost."""

from __future__ import annotations

import http.client
import socket

import pytest

from devrunserver.common import handoff
from devrunserver.supervisor.placeholder_server import PlaceholderServer

PATIENCE = 30.0  # seconds
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answer_to(client: socket.socket) -> http.client.HTTPResponse:
    """One answer on a kept connection, read to its end."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    answer.read()
    return answer


@pytest.mark.skipif(not handoff.capacity(), reason="connections are not handed over")
def test_it_answers_and_hands_its_connections_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        placeholder = PlaceholderServer(listener)
        placeholder.open([])
        with socket.create_connection(listener.getsockname(), PATIENCE) as client:
            client.sendall(REQUEST)
            answer = answer_to(client)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            [left] = placeholder.close()
            left.socket.sendall(b"by the next one")
            assert client.recv(100) == b"by the next one"
            left.socket.close()
        assert placeholder.close() == []


@pytest.mark.skipif(not handoff.capacity(), reason="connections are not handed over")
def test_who_has_waited_is_answered_first() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        placeholder = PlaceholderServer(listener)
        with socket.create_connection(listener.getsockname(), PATIENCE) as client:
            ours, _ = listener.accept()
            placeholder.open([handoff.Handed(ours, REQUEST[:10])])
            client.sendall(REQUEST[10:])
            assert answer_to(client).status == 503
            for left in placeholder.close():
                left.socket.close()
