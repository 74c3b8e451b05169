"""Chromium, with a profile and a certificate store of its own: whom it trusts, and for what."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography")

from devrunserver.https import authority, certificate, trust
from devrunserver.https.certificate import GivenCertificates
from devrunserver.https.trust import Machine
from tests.browser.conftest import CHROMIUM, OPTIONS, PATIENCE
from tests.https.conftest import Secured

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(not shutil.which("certutil"), reason="needs certutil (libnss3-tools)"),
]


@contextmanager
def chromium(home: Path) -> Iterator[Any]:
    """A browser whose user has this directory."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    from selenium import webdriver

    program, driver_program = next(filter(None, map(shutil.which, CHROMIUM)), None), shutil.which("chromedriver")
    if program is None or driver_program is None:
        pytest.skip("there is no Chromium with its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in (*OPTIONS, "--host-resolver-rules=MAP example.com 127.0.0.1"):
        options.add_argument(option)
    service = webdriver.ChromeService(driver_program, env={**os.environ, "HOME": str(home)})
    driver = webdriver.Chrome(options, service)
    driver.set_page_load_timeout(PATIENCE)
    try:
        yield driver
    finally:
        driver.quit()


def open_page(driver: Any, url: str) -> str:
    """The text of a page, or the error for which it is not shown."""
    from selenium.common.exceptions import WebDriverException

    try:
        driver.get(url)
    except WebDriverException as error:
        return str(error.msg)
    return str(driver.find_element("tag name", "body").text)


@pytest.fixture
def trusting(tmp_path: Path, data: Path) -> Path:
    """The directory of a user who trusts our authority."""
    root = authority.own(data).root
    steps = [one for one in trust.steps(Machine("linux", tmp_path, False), root, False) if not one.needs_root]
    assert trust.run(steps, lambda line: None, is_root=False, root=root)
    return tmp_path


def test_who_does_not_trust_us_sees_no_page(secured: Secured, tmp_path: Path) -> None:
    with chromium(tmp_path) as driver:
        assert "ERR_CERT_AUTHORITY_INVALID" in open_page(driver, f"https://localhost:{secured.port}/echo")
    assert secured.application.calls == []
    assert any("To have browsers trust it: python -m devrunserver trust" in line for line in secured.said)


def test_who_trusts_us_sees_the_page(secured: Secured, trusting: Path) -> None:
    with chromium(trusting) as driver:
        for name in ("localhost", "127.0.0.1", "shop.localhost"):
            assert open_page(driver, f"https://{name}:{secured.port}/echo") == "hello"
            assert driver.execute_script("return isSecureContext") is True
        assert open_page(driver, f"http://localhost:{secured.port}/echo") == "hello", "by the redirection"
        assert driver.current_url.startswith("https://")
    assert secured.said == []


def test_our_authority_is_not_believed_about_other_names(
    secure: Callable[..., Secured], trusting: Path, data: Path, tmp_path: Path
) -> None:
    """Not even by who trusts it: whoever steals its key gains nothing elsewhere."""
    _, blocks = certificate.sign(authority.own(data), ["example.com", "localhost"], certificate.clock())
    file = tmp_path / "forged.pem"
    file.write_bytes(blocks)
    secured = secure(certificates=GivenCertificates(str(file), None))
    with chromium(trusting) as driver:
        assert "ERR_CERT_" in open_page(driver, f"https://example.com:{secured.port}/echo")
    assert secured.application.calls == []
