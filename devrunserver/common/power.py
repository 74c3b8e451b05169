"""The computer's power: where it comes from, and whether there is more of it than one process can use."""

from __future__ import annotations

import glob
import os
from contextlib import suppress
from pathlib import Path

SUPPLIES = "/sys/class/power_supply/*"  # Linux; source: Documentation/ABI/testing/sysfs-class-power


def is_on_battery() -> bool:
    """Whether a battery of the computer's own is being discharged; False where that is not to be known."""
    return any(map(_is_discharging, glob.glob(SUPPLIES)))


def has_cores() -> bool:
    """Whether this process may use more than one core, as far as that is to be known."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1


def _is_discharging(directory: str) -> bool:
    def told(name: str) -> str:
        with suppress(OSError, ValueError):
            return Path(directory, name).read_text().strip()
        return ""

    # the battery of a mouse has the scope of a device
    return told("type") == "Battery" and told("status") == "Discharging" and told("scope") != "Device"
