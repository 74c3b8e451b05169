"""One headless Chromium for all tests of pages; where there is none they are skipped."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--window-size=900,700",
)
PATIENCE = 30.0  # seconds for a page or a script; only a failing test waits so long


class NoBrowser(Exception):
    """There is none, and why."""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A driver of Selenium's.

    Raises:
        NoBrowser: there is none.
    """
    try:
        from selenium import webdriver
    except ImportError:
        raise NoBrowser("selenium is not installed") from None
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver_program = shutil.which("chromedriver")
    if program is None or driver_program is None:
        raise NoBrowser("there is no Chromium with its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(driver_program))
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The one browser of the tests."""
    with contextlib.ExitStack() as stack:
        try:
            driver = stack.enter_context(chromium())
        except NoBrowser as reason:
            pytest.skip(str(reason))
        yield driver
