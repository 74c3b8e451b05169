"""Chromium, with a profile and a certificate store of its own: whom it trusts, and for what."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography")

from devrunserver.https import authority, certificate, trust
from devrunserver.https.certificate import GivenCertificates
from devrunserver.https.trust import Machine
from tests.browser.conftest import NoBrowser, chromium
from tests.https.conftest import Secured

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(not shutil.which("certutil"), reason="needs certutil (libnss3-tools)"),
]


@contextmanager
def chromium_of(home: Path) -> Iterator[Any]:
    """A browser whose user has this directory."""
    with ExitStack() as stack:
        try:
            driver = stack.enter_context(chromium("--host-resolver-rules=MAP example.com 127.0.0.1", home=home))
        except NoBrowser as reason:
            pytest.skip(str(reason))
        yield driver


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
    with chromium_of(tmp_path) as driver:
        assert "ERR_CERT_AUTHORITY_INVALID" in open_page(driver, f"https://localhost:{secured.port}/echo")
    assert secured.application.calls == []
    assert any("To have browsers trust it: python -m devrunserver trust" in line for line in secured.said)


def test_who_trusts_us_sees_the_page(secured: Secured, trusting: Path) -> None:
    with chromium_of(trusting) as driver:
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
    with chromium_of(trusting) as driver:
        assert "ERR_CERT_" in open_page(driver, f"https://example.com:{secured.port}/echo")
    assert secured.application.calls == []
