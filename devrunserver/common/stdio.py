"""Standard input, output and error, such that all the rest may rely on them.

A program that was started with one of them closed (``>&-``, some service managers) has None in its place in ``sys``,
and the next file that it opens gets the free descriptor: a socket, then, to which every child writes its messages.

In a locale that knows ASCII alone (``LC_ALL=C`` without Python's UTF-8 mode) the name of a file comes as one lone
surrogate for each byte that is no ASCII. Written as these bytes again it is what the user's terminal can show.
"""

from __future__ import annotations

import codecs
import io
import os
import sys

HIGHEST = 2  # of the standard descriptors
READABLE = "devrunserver.readable"  # name of our error handler
FIRST_BYTE, LAST_BYTE, OFFSET = 0xDC80, 0xDCFF, 0xDC00  # surrogates that stand for bytes, see PEP 383


def prepare() -> None:
    """Opens what is closed of them, to nowhere, and lets names of files be readable. Again is harmless."""
    open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and _is_ascii(stream.encoding):
            codecs.register_error(READABLE, readable)
            stream.reconfigure(errors=READABLE)


def utf8(text: str) -> bytes:
    """Text for a client, such that names of files are readable there too."""
    codecs.register_error(READABLE, readable)
    return text.encode("utf-8", READABLE)


def open_closed() -> None:
    """Opens those that are closed, to nowhere."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= HIGHEST:  # the system gives the lowest that is free
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 (it stays open)


def readable(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of ``codecs``: bytes of names stay what they are, other characters become escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    pieces = [bytes([ord(one) - OFFSET]) if FIRST_BYTE <= ord(one) <= LAST_BYTE else _escape(one) for one in text]
    return b"".join(pieces), error.end


def _escape(character: str) -> bytes:
    return character.encode("ascii", "backslashreplace")


def _is_ascii(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name == "ascii"
    except LookupError:
        return False
