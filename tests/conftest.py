"""Fixtures of the live tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import live


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of ``testproject`` to edit."""
    return live.copy_testproject(tmp_path)
