"""Takes the README's pictures: ``python -m tests.pictures`` (Selenium and a Chromium are needed).

They are of the bookshop in ``testproject``, in which something is broken.
"""

from __future__ import annotations

import html
import re
import tempfile
from pathlib import Path
from typing import Any

from tests.browser.conftest import chromium
from tests.live import REPOSITORY, Server, copy_testproject, wait_for

IMAGES = REPOSITORY / "docs/images"
WIDTH, HEIGHT, TERMINAL_HEIGHT = 1000, 600, 250  # pixels
TERMINAL = """<!DOCTYPE html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 14px 18px; background: #17171a; color: #d8d8dc; font: 14px/1.45 monospace }}
pre {{ margin: 0; font: inherit }}
b {{ color: #ff8a80 }}</style><pre>{}</pre>"""


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        project = copy_testproject(Path(directory))
        with Server(project, environ={"DJANGO_EDITOR": "vscode"}) as server:
            take(browser, server)
    for picture in sorted(IMAGES.iterdir()):
        print(f"{picture.relative_to(REPOSITORY)}: {picture.stat().st_size / 1000:.0f} kB")


def take(browser: Any, server: Server) -> None:
    views = server.project / "shop/views.py"
    healthy = views.read_text()
    server.wait_for_body("mark-0")
    address = f"http://127.0.0.1:{server.port}"
    resize(browser, HEIGHT)
    server.edit(
        "shop/views.py",
        '"shop/book_list.html", {"books": Book.objects',
        '"shop/book_list.html", {"books": Books.objects',
    )
    server.wait_for_body("NameError", "/", "Accept: text/plain\r\n")
    browser.get(address)
    picture(browser, "error-page.png")
    views.write_text(healthy)
    server.wait_for_body("mark-0")
    book = re.search(r'href="(/books/[^"]+)"', server.get("/").body)
    browser.get(f"{address}{book[1] if book else '/'}order/")
    server.edit("shop/models.py", "class Author(models.Model):", "class Author(models.Model:")
    wait_for(lambda: browser.execute_script("return document.querySelector('devrunserver-overlay')"), "the overlay")
    emulate(browser, "dark")
    picture(browser, "error-overlay.png")
    emulate(browser, "light")
    log = server.log.rpartition("reloading.\n")[2].partition("\n[")[0]
    text = html.escape(log.replace(str(server.project), "/home/me/bookshop"))
    shown = re.sub(r"^(\w+Error: .*)$", r"<b>\1</b>", text, count=1, flags=re.M)
    page = Path(server.project, "terminal.html")
    page.write_text(TERMINAL.format(shown))
    browser.get(page.as_uri())
    resize(browser, TERMINAL_HEIGHT)
    picture(browser, "error-terminal.png")


def resize(browser: Any, height: int) -> None:
    size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def emulate(browser: Any, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def picture(browser: Any, name: str) -> None:
    browser.save_screenshot(str(IMAGES / name))


if __name__ == "__main__":
    main()
