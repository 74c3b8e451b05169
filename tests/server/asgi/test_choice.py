"""Whether a project is served by WSGI or by ASGI, and what the banner says of it."""

from __future__ import annotations

import pytest

from devrunserver.server.asgi.choice import choose

NAME = "shop.asgi.application"


@pytest.mark.parametrize(
    ("option", "setting", "installed", "application", "is_asgi", "said"),
    [
        (None, None, set(), "", False, ""),
        (None, None, set(), NAME, False, ""),  # as startproject writes it
        (None, None, {"daphne"}, NAME, True, f"Serving {NAME} by ASGI: daphne is installed; --noasgi serves WSGI."),
        (None, None, {"daphne", "channels"}, NAME, True, "daphne is installed"),
        (None, None, {"daphne"}, "", False, "daphne is installed, but ASGI_APPLICATION is not set."),
        (None, None, {"channels"}, NAME, False, "--asgi serves ASGI_APPLICATION, with WebSockets."),
        (None, None, {"channels"}, "", False, ""),
        (True, None, set(), "", True, "Serving Django by ASGI: --asgi is given"),
        (True, False, set(), NAME, True, "--asgi is given"),
        (False, True, {"daphne"}, NAME, False, "Serving by WSGI: --noasgi is given."),
        (None, True, set(), NAME, True, 'DEVRUNSERVER["ASGI"] is True'),
        (None, False, {"daphne"}, NAME, False, 'DEVRUNSERVER["ASGI"] is False'),
    ],
)
def test_choice(
    option: bool | None, setting: bool | None, installed: set[str], application: str, is_asgi: bool, said: str
) -> None:
    choice = choose(option, setting, installed, application)
    assert choice.is_asgi is is_asgi
    assert said in choice.banner(application)
    assert bool(choice.banner(application)) is bool(said)
