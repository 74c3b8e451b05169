"""Which files settings may have been read from: by their names alone."""

from __future__ import annotations

import os
from collections.abc import Container

# What broken settings may have been read from: while the project is broken, a change there starts it again.
CONFIGURATION_SUFFIXES = (".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".conf", ".env")
# The same where the settings name the file; many programs write such files for other reasons.
DATA_SUFFIXES = (".json", ".txt", ".xml", ".pem", ".key", ".crt")


def is_configuration(path: str) -> bool:
    """Whether settings are commonly read from files of this name."""
    name = os.path.basename(path)
    return name.endswith(CONFIGURATION_SUFFIXES) or name.startswith(".env")


def may_configure(path: str, settings_names: Container[str]) -> bool:
    """Whether a project's settings may have been read from one of its files. That happened before we could see it.

    Args:
        settings_names: of files that the settings name.
    """
    name = os.path.basename(path)
    return name in settings_names if name.endswith(DATA_SUFFIXES) else is_configuration(name)
