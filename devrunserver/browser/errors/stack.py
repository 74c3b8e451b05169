"""The frames of a traceback, the latest first: the project's one by one, all others folded into groups.

Frames of the import machinery and our own are left out: nobody can do anything about them. Where nothing else is
left they are shown, as the error is ours then.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from types import FrameType, TracebackType

from devrunserver.browser.errors.description import Frame, FrameGroup
from devrunserver.browser.errors.source import place_at, place_of

PACKAGE = f"{Path(__file__).parents[2]}{os.sep}"  # ours
MAX_SAME = 2  # frames of the same line that are shown; a recursion has a thousand
MAX_REPEATED = 3  # of those that repeat it, which are folded
MAX_FRAMES = 150  # that are described at each end; more are not read by anybody
MAX_OPEN = 25  # of the project's own frames that are shown with their code and variables
AROUND_CALLER = 2  # lines before and after, of the frames that only led to the error

# Modules of Django through which a project is entered: who calls these only opens the door
ENTRANCES = ("django", "django.core.wsgi", "django.core.asgi", "django.core.management")

IsOwn = Callable[[str], bool]  # whether a file is the project's
Variables = Callable[[FrameType], tuple[tuple[str, str], ...]]  # of a frame, as text


def steps(traceback: TracebackType | None) -> list[TracebackType]:
    """The frames that mean something to the user, in order of their calls."""
    every = []
    while traceback is not None:
        every.append(traceback)
        traceback = traceback.tb_next
    shown = [one for one in every if not _is_hidden(one)]
    return shown or [one for one in every if one.tb_frame.f_code.co_filename.startswith(PACKAGE)]


def _is_hidden(step: TracebackType) -> bool:
    code = step.tb_frame.f_code
    if code.co_filename.startswith(("<frozen importlib", PACKAGE)) or _module(step.tb_frame) == "importlib":
        return True
    # a few libraries mark their own steps so, and Django leaves these out too
    return "__traceback_hide__" in code.co_varnames and bool(step.tb_frame.f_locals.get("__traceback_hide__"))


def frames(traceback: TracebackType | None, is_own: IsOwn, variables: Variables) -> list[Frame | FrameGroup]:
    """The frames to show, the latest first."""
    calls = steps(traceback)
    calls.reverse()
    left_out = len(calls) - 2 * MAX_FRAMES
    if left_out > 0:
        calls = calls[:MAX_FRAMES] + calls[-MAX_FRAMES:]
    seen: Counter[tuple[object, int]] = Counter()
    found: list[Frame] = []
    repeated: list[Frame] = []
    opened, count = 0, max(0, left_out)
    for position, call in enumerate(calls):
        key = call.tb_frame.f_code, call.tb_lineno or 0
        seen[key] += 1
        own = is_own(call.tb_frame.f_code.co_filename) and not _is_door(calls, position)
        if seen[key] > MAX_SAME:
            count += 1
            if len(repeated) < MAX_REPEATED:
                repeated.append(_closed(call, own))
            continue
        opened += own
        is_open = (own and opened <= MAX_OPEN) or position == 0
        is_main = opened == 1 if own else position == 0
        found.append(_opened(call, own, variables, is_main) if is_open else _closed(call, own))
    folded = list(fold(found))
    if count:
        folded.insert(min(len(folded), 2 * MAX_SAME), FrameGroup(f"{count} more frames of the same", tuple(repeated)))
    return folded


def _is_door(calls: list[TracebackType], position: int) -> bool:
    """Whether a step of the project is ``manage.py``, or only has Django started; the calls are the latest first."""
    module = _module(calls[position].tb_frame)
    return module == "__main__" or (position > 0 and _module(calls[position - 1].tb_frame) in ENTRANCES)


def _opened(call: TracebackType, own: bool, variables: Variables, is_main: bool) -> Frame:
    place = place_of(call) if is_main else place_of(call, AROUND_CALLER)
    frame = call.tb_frame
    return Frame(place, name_of(frame), _module(frame), own, variables(frame), id(frame))


def _closed(call: TracebackType, own: bool) -> Frame:
    """A frame that is folded: its line alone."""
    code, line = call.tb_frame.f_code, call.tb_lineno or call.tb_frame.f_code.co_firstlineno
    place = place_at(code.co_filename, line, around=0, namespace=call.tb_frame.f_globals)
    return Frame(place, name_of(call.tb_frame), _module(call.tb_frame), own)


def name_of(frame: FrameType) -> str:
    """The function of a frame, with its class where that is known."""
    return str(getattr(frame.f_code, "co_qualname", frame.f_code.co_name)).replace("<locals>.", "")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__") or "")


def fold(every: Iterable[Frame]) -> Iterator[Frame | FrameGroup]:
    """The project's frames as they are, and each row of others as one group."""
    for own, row in groupby(every, lambda frame: frame.is_own):
        members = list(row)
        if own:
            yield from members
        else:
            yield FrameGroup(title_of(members), tuple(members))


def title_of(members: list[Frame]) -> str:
    """How many frames, and of what."""
    owners = dict.fromkeys(_owner(frame) for frame in members)
    names = ", ".join(list(owners)[:3]) + (", ..." if len(owners) > 3 else "")
    return f"{len(members)} {'frame' if len(members) == 1 else 'frames'} in {names}"


def _owner(frame: Frame) -> str:
    """The package that a frame belongs to, by the name users know."""
    name = frame.module.partition(".")[0]
    return name if name and name != "__main__" else os.path.basename(frame.place.file) or frame.place.file
