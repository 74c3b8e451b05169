"""Whether a project is served by WSGI or by ASGI, and why. Pure: facts go in, a decision comes out."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

DAPHNE = "daphne"
CHANNELS = "channels"


@dataclass(frozen=True)
class Choice:
    """What is served.

    Attributes:
        is_asgi: or else by WSGI.
        reason: why, for the user; empty where nothing speaks for anything else than WSGI.
    """

    is_asgi: bool
    reason: str = ""

    def banner(self, application: str) -> str:
        """The line that tells the user; empty where there is nothing to tell.

        Args:
            application: the setting ASGI_APPLICATION; empty where there is none.
        """
        if self.is_asgi:
            return f"Serving {application or 'Django'} by ASGI: {self.reason}; --noasgi serves WSGI."
        return f"Serving by WSGI: {self.reason}." if self.reason else ""


def choose(option: bool | None, setting: bool | None, installed: Container[str], application: str) -> Choice:
    """Decides.

    Args:
        option: ``--asgi`` or ``--noasgi``; None where neither is given.
        setting: ``DEVRUNSERVER["ASGI"]``.
        installed: the names of the project's apps.
        application: the setting ASGI_APPLICATION; empty where there is none.
    """
    if option is not None:
        return Choice(option, "--asgi is given" if option else "--noasgi is given")
    if setting is not None:
        return Choice(setting, f'DEVRUNSERVER["ASGI"] is {setting}')
    if DAPHNE in installed:
        if application:
            return Choice(True, "daphne is installed")
        return Choice(False, "daphne is installed, but ASGI_APPLICATION is not set")
    if CHANNELS in installed and application:
        return Choice(False, "--asgi serves ASGI_APPLICATION, with WebSockets")
    return Choice(False)
