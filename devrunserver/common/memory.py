"""How much of the machine's memory is left."""

from __future__ import annotations

from contextlib import suppress

MEMORY_PLENTY = 4_000_000  # kB that must be available for what is worth less than one checkpoint
MEMORY_RESERVE = 0.1  # of the machine's memory that must be available for another checkpoint


def memory() -> tuple[int, int]:
    """What is available of the machine's memory, and all of it, in kB. Source: proc(5)."""
    figures = {}
    with suppress(OSError, ValueError), open("/proc/meminfo") as file:
        for line in file:
            name, _, value = line.partition(":")
            figures[name] = int(value.split()[0])
    return figures.get("MemAvailable", 1), figures.get("MemTotal", 1)


def is_memory_low() -> bool:
    available, total = memory()
    return available < total * MEMORY_RESERVE


def is_memory_plentiful() -> bool:
    return memory()[0] >= MEMORY_PLENTY
