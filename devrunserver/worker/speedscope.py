"""A start as a file for speedscope, which draws it as a flame graph: https://www.speedscope.app

Source: https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources (evented profiles).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from devrunserver.common.progress_page import WORDS, Phase
from devrunserver.worker.start_profile import Event

SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def speedscope(events: Sequence[Event], marks: Sequence[tuple[float, Phase]], end: float, title: str) -> str:
    """The file.

    Args:
        events: what has begun and ended, in order; what is still open ends at ``end``.
        marks: when each phase began, the first of them the start itself.
        end: when all was over, as a moment of the same clock.
    """
    frames: dict[str, int] = {}
    told: list[dict[str, Any]] = []
    began = marks[0][0]

    def tell(kind: str, name: str, moment: float) -> None:
        frame = frames.setdefault(name, len(frames))
        told.append({"type": kind, "frame": frame, "at": round(moment - began, 6)})

    phases = [(moment, WORDS[phase]) for moment, phase in marks]
    stack: list[str] = []  # what is open, the phase first

    def turn_to(moment: float) -> None:
        """The phases that begin until then; what is open goes on in them."""
        while phases and phases[0][0] <= moment:
            at, name = phases.pop(0)
            for one in reversed(stack):
                tell("C", one, at)
            stack[:1] = [name]
            for one in stack:
                tell("O", one, at)

    for moment, name in events:
        turn_to(moment)
        if name is None:
            tell("C", stack.pop(), moment)
        else:
            stack.append(name)
            tell("O", name, moment)
    turn_to(end)
    for one in reversed(stack):
        tell("C", one, end)
    profile = {
        "type": "evented",
        "name": title,
        "unit": "seconds",
        "startValue": 0,
        "endValue": round(end - began, 6),
        "events": told,
    }
    return json.dumps(
        {
            "$schema": SCHEMA,
            "exporter": "devrunserver",
            "name": title,
            "shared": {"frames": [{"name": name} for name in frames]},
            "profiles": [profile],
        }
    )
