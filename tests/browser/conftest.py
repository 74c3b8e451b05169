"""One headless Chromium for all tests of pages; where there is none they are skipped."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import wait_for

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
LEFT = "devrunserverTestsLeave"  # marks the page that is to go
IS_THERE = f"return !window.{LEFT} && document.readyState === 'complete'"
PATIENCE = 30.0  # seconds for a page or a script; only a failing test waits so long


class NoBrowser(Exception):
    """There is none, and why."""


@contextlib.contextmanager
def chromium(*more: str, home: Path | None = None) -> Iterator[Any]:
    """A driver of Selenium's. At the end nothing is left of the directories that Chromium makes for itself.

    Args:
        more: options.
        home: the directory of the user whose browser it is, if it is another one.

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
    for option in (*OPTIONS, *more):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # what it leaves behind is written to until its last process is gone, which nobody waits for
    with tempfile.TemporaryDirectory(prefix="chromium", ignore_cleanup_errors=True) as directory:
        environ = {**os.environ, "TMPDIR": directory} | ({"HOME": str(home)} if home is not None else {})
        driver = _patient(webdriver.Chrome)(options, webdriver.ChromeService(driver_program, env=environ))
        driver.set_page_load_timeout(PATIENCE)
        driver.set_script_timeout(PATIENCE)
        try:
            yield driver
        finally:
            driver.quit()


def _patient(driver: type[Any]) -> type[Any]:
    """A driver whose ``get`` returns when the page is there.

    Chromium's may return in the middle of it: it takes for its end that of a load which the page before has begun.
    """

    from selenium.common.exceptions import WebDriverException

    class Patient(driver):  # type: ignore[misc]
        def get(self, url: str) -> None:
            self._said(f"window.{LEFT} = true")
            super().get(url)
            wait_for(lambda: self._said(IS_THERE), f"the page {url}", PATIENCE)

        def _said(self, script: str) -> object:
            with contextlib.suppress(WebDriverException):  # it is on its way from one page to the other
                return self.execute_script(script)
            return None

    return Patient


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The one browser of the tests."""
    with contextlib.ExitStack() as stack:
        try:
            driver = stack.enter_context(chromium())
        except NoBrowser as reason:
            pytest.skip(str(reason))
        yield driver
