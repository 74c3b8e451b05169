"""What is told when the first worker serves, after Django's banner: who signs, and where others reach the server."""

from __future__ import annotations

import io
import os
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence

from devrunserver.common import faults
from devrunserver.server import reachable

INSTALL_QR = "python -m pip install 'devrunserver[qr]'"
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")  # where one is set there is a browser to open


def add_to(parser: ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--open",
        action="store_true",
        dest="open_browser",
        help="Opens a browser when the server is ready for the first time.",
    )
    parser.add_argument(
        "--qr", action="store_true", help="Shows the address for others as a QR code, for a phone's camera."
    )


def lines(scheme: str, host: str, port: int, signed: str, qr: bool) -> list[str]:
    """What is told, line by line.

    Args:
        host: on which the server listens.
        signed: who has signed; empty for plain HTTP.
        qr: whether the address for others is to be shown as a code.
    """
    told = [signed] if signed else []
    told += hsts_line(bool(signed))
    found, more = urls(scheme, host, port, is_allowed)
    told += more
    if qr:
        told.append(qr_code(found))
    return told


def urls(scheme: str, host: str, port: int, allowed: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """The addresses by which others reach the server, and the lines that tell them.

    Args:
        host: on which it listens.
        allowed: whether Django answers to a host.
    """
    if not reachable.is_for_all(host):
        return [], []
    found = reachable.addresses(with_ipv6=":" in host)
    told = []
    for address in found:
        line = f"On your network: {reachable.url(scheme, address, port)}"
        if not allowed(address):
            line += f" (refused until ALLOWED_HOSTS has {address!r})"
        told.append(line)
    return [reachable.url(scheme, address, port) for address in found], told


def qr_code(found: Sequence[str]) -> str:
    """The code of the first address for a phone's camera, or a line that says why there is none."""
    if not found:
        return "--qr needs an address that others can reach: add 0.0.0.0:8000 to the command."
    try:
        import segno
    except ImportError:
        return f"--qr needs the package segno: {INSTALL_QR}"
    code = io.StringIO()
    segno.make(found[0], micro=False).terminal(out=code, compact=True, border=2)
    return code.getvalue()


def is_allowed(host: str) -> bool:
    """Whether ALLOWED_HOSTS lets requests for a host through."""
    from django.conf import settings
    from django.http.request import validate_host

    allowed: Sequence[str] = settings.ALLOWED_HOSTS
    if settings.DEBUG and not allowed:  # as HttpRequest.get_host()
        allowed = [".localhost", "127.0.0.1", "[::1]"]
    return validate_host(f"[{host}]" if ":" in host else host, allowed)


def hsts_line(has_https: bool) -> Iterator[str]:
    """Tells that the header Strict-Transport-Security is left out for names of this machine."""
    from django.conf import settings

    if has_https and settings.SECURE_HSTS_SECONDS:
        yield ("SECURE_HSTS_SECONDS: left out for localhost, or browsers would ask for HTTPS on all its ports.")


def open_browser(url: str, say: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> None:
    """Opens a browser, on a thread of its own: some wait until it is closed."""
    if sys.platform not in ("darwin", "win32") and not any(environ.get(name) for name in SCREENS):
        say(f"--open: there is no screen here to open {url} on.")
        return
    open_there = faults.guarded("opening a browser", _open)
    threading.Thread(target=open_there, args=(url, say), name="devrunserver-open", daemon=True).start()


def _open(url: str, say: Callable[[str], None]) -> None:
    import webbrowser

    try:
        opened = webbrowser.open(url)
    except (OSError, webbrowser.Error) as error:
        say(f"--open: {error}")
        return
    if not opened:
        say(f"--open: no browser could be opened for {url}; the variable BROWSER names one.")
