"""Has the objects of this process come to other addresses than those of others that were forked from the same one.

An order may come from addresses: that of a set of functions, and so of what its loop over them leaves in a list (as
Celery registers tasks). It is another one in each fresh start; but two processes that were forked from the same one,
and do the same, have the same addresses. So it would look like an order that counts.
"""

from __future__ import annotations

import random

FIRST_BLOCKS = 1000  # that are taken at first, and as many whose places are free again
FIRST_BYTES = 4096  # the size of the largest, which no pool of Python's has any more
BLOCKS = 8  # that are taken before each import
BYTES = 512  # the size of the largest that come from Python's pools. Source: Objects/obmalloc.c


class AddressNoise:
    """Takes blocks of memory of random sizes."""

    def __init__(self) -> None:
        self._random = random.Random()
        blocks = [bytes(self._random.randrange(FIRST_BYTES)) for _ in range(2 * FIRST_BLOCKS)]
        self._random.shuffle(blocks)
        self._kept = blocks[:FIRST_BLOCKS]

    def add(self) -> None:
        """Takes some more."""
        self._kept += [bytes(self._random.randrange(BYTES)) for _ in range(BLOCKS)]
