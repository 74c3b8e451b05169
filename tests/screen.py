"""What a terminal shows of what was written to it: as much of one as we write for."""

from __future__ import annotations

import re

PIECES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|.", re.DOTALL)


def screen(output: bytes) -> list[str]:
    """The lines of a terminal without an end, on which one line is written again and again."""
    lines, column = [""], 0
    for piece in PIECES.findall(output.decode(errors="replace")):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            lines.append("")
        elif piece == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif len(piece) == 1:
            lines[-1] = lines[-1][:column].ljust(column) + piece + lines[-1][column + 1 :]
            column += 1
    return lines
