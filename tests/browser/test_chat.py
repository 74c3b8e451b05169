"""The chat of the test project in a browser: its WebSocket comes again after a save, and says nothing of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets")
pytest.importorskip("channels")

from tests.live import Server, wait_for

pytestmark = pytest.mark.live

SEND = """const field = document.getElementById("message"); field.value = arguments[0];
    document.querySelector("#form button").click();"""


def heard(browser: Any) -> list[str]:
    return [one.text for one in browser.find_elements("css selector", "#log li")]


def is_open(browser: Any) -> bool:
    return bool(browser.execute_script("return socket.readyState === WebSocket.OPEN"))


def say(browser: Any, message: str, mark: str) -> None:
    wait_for(lambda: is_open(browser), "the WebSocket is open")
    browser.execute_script(SEND, message)
    wait_for(lambda: heard(browser)[-1:] == [f"{message} ({mark})"], "it is heard")


def chat_over_a_save(browser: Any, server: Server, address: str) -> None:
    browser.get(address)
    browser.get_log("browser")  # of pages before
    say(browser, "hello", "mark-0")
    browser.execute_script("window.old = socket")
    server.edit("shop/marks.py", "mark-0", "mark-1")
    wait_for(lambda: browser.execute_script("return socket !== old"), "it was told to come again")
    say(browser, "again", "mark-1")
    assert heard(browser) == ["hello (mark-0)", "again (mark-1)"]
    assert [one for one in browser.get_log("browser") if "WebSocket" in one["message"]] == []  # none was refused
    assert server.log.count("WebSocket CONNECT /ws/chat/lobby/") == 2


def test_a_chat_over_a_save(browser: Any, project: Path) -> None:
    with Server(project, "--asgi") as server:
        chat_over_a_save(browser, server, f"http://localhost:{server.port}/chat/lobby/")


@pytest.mark.deep
def test_a_chat_over_a_save_and_tls(browser: Any, project: Path, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    browser.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": True})
    try:
        with Server(project, "--asgi", "--https", environ={"XDG_DATA_HOME": str(tmp_path)}) as server:
            chat_over_a_save(browser, server, f"https://localhost:{server.port}/chat/lobby/")
            assert browser.execute_script("return old.url").startswith("wss:")
    finally:
        browser.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": False})
