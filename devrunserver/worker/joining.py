"""Whether this process is a worker. Where it is none, nothing of a worker is imported to find out."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from devrunserver.common import environment, link, process
from devrunserver.common.role import Role

if TYPE_CHECKING:
    from devrunserver.worker.worker import Worker


@functools.cache
def current() -> Worker | None:
    """This process as a worker, joined; None where no supervisor has started it."""
    descriptor, start = environment.take(os.environ)
    to_supervisor = process.inherited_socket(descriptor) if descriptor is not None else None
    if to_supervisor is None:
        return None
    from devrunserver.worker.worker import Worker

    role = Role.SPARE if start.outputs else Role.WORKER
    worker = Worker(link.Link(to_supervisor, role, Role.SUPERVISOR), start)
    worker.join()
    return worker
