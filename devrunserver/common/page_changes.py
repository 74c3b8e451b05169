"""What has changed for open pages, and how the stream tells it.

A *generation* is the number of the worker, or of the last change that needed none, by which a page was rendered. It
only grows, also from one start of the server to the next: it begins with the time. A change is of one kind:

- PAGE: code, templates, translations; a page is asked for again;
- CSS: style sheets, by their URLs;
- ASSET: other static files, by their URLs; a page that uses one is loaded again;
- ERROR: the project does not start; pages stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

PAGE, CSS, ASSET, ERROR = "page", "css", "asset", "error"

Change = tuple[int, str, list[str]]  # generation, kind, URLs of the files


def announcement(generation: int, since: int, changes: Sequence[Change]) -> bytes:
    """One event of the stream.

    Args:
        generation: the last one.
        since: the generation after which all changes are told.
    """
    told = [{"generation": number, "kind": kind, "files": files} for number, kind, files in changes]
    data = json.dumps({"generation": generation, "since": since, "changes": told})
    return f"data: {data}\n\n".encode()
