"""The options of HTTPS, and what they ask for. What they do not ask for is not imported."""

from __future__ import annotations

import contextlib
import socket
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from devrunserver.https.error import HttpsError
from devrunserver.server.tunnel import IS_SUPPORTED

if TYPE_CHECKING:
    from devrunserver.https.front import Certificates


def add_to(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--https", action="store_true", help="Serves HTTPS, and answers HTTP on the same port by a redirection to it."
    )
    parser.add_argument("--cert-file", metavar="PATH", help="The certificate to serve HTTPS with, a PEM file.")
    parser.add_argument("--key-file", metavar="PATH", help="Its key, where that is not in the same file.")


def is_asked_for(options: Mapping[str, Any]) -> bool:
    return bool(options.get("https") or options.get("cert_file") or options.get("key_file"))


def certificates(options: Mapping[str, Any], names: Iterable[str], say: Callable[[str], None]) -> Certificates | None:
    """What to show to clients; None where plain HTTP is asked for.

    Args:
        options: of the command line.
        names: names and addresses, besides those of this machine alone, by which clients come.
        say: prints one line.

    Raises:
        HttpsError: HTTPS cannot be spoken.
    """
    if not is_asked_for(options):
        return None
    if not IS_SUPPORTED:
        raise HttpsError("--https does not work on Windows yet, where Python has no local sockets.")
    try:
        from devrunserver.https import certificate, data_directory
    except ImportError as error:
        raise HttpsError(f"This Python cannot speak TLS: {error}.") from error
    if options.get("cert_file"):
        return certificate.GivenCertificates(options["cert_file"], options.get("key_file"))
    if options.get("key_file"):
        raise HttpsError("--key-file is the key of a certificate, which --cert-file has to name.")
    return certificate.OwnCertificates(data_directory.locate(), names, say)


def before(
    listening: socket.socket, shown: Certificates | None, say: Callable[[str], None]
) -> AbstractContextManager[socket.socket]:
    """Speaks TLS on a listening socket, where that is asked for; yields the socket on which the server has to listen.

    Args:
        shown: what to show to clients; None where plain HTTP is asked for.
    """
    if shown is None:
        return contextlib.nullcontext(listening)
    from devrunserver.https import front

    return front.before(listening, shown, say)


def describe(options: Mapping[str, Any]) -> str:
    """One line for the banner; empty for plain HTTP."""
    if not is_asked_for(options):
        return ""
    from devrunserver.https import certificate, data_directory

    return certificate.describe(options.get("cert_file"), data_directory.locate())
