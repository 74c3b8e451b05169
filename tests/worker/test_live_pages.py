"""What a changed file means to open pages."""

from __future__ import annotations

import pytest

from devrunserver.common.page_changes import ASSET, CSS, PAGE
from devrunserver.worker.live_pages import LivePages

KINDS = [
    (["/p/static/a.css"], {CSS: ["/static/a.css"]}),
    (["/p/static/a.css", "/p/static/b/c d.css"], {CSS: ["/static/a.css", "/static/b/c%20d.css"]}),
    (["/p/static/a.js", "/p/static/a.css"], {ASSET: ["/static/a.js"], CSS: ["/static/a.css"]}),
    (["/p/other/a.png"], {ASSET: ["/static/prefix/a.png"]}),
    (["/p/static/a.scss"], {PAGE: []}),
    (["/p/static/a.scss", "/p/static/b.less"], {PAGE: []}),
    (["/p/templates/a.html"], {PAGE: []}),
    (["/p/static/a.css~", "/p/static/.a.css.swp", "/p/static/#a.css", "/p/static/folder"], {}),
    (["/p/db.sqlite3"], {}),
]


@pytest.mark.parametrize(("paths", "wanted"), KINDS)
def test_kinds(monkeypatch: pytest.MonkeyPatch, paths: list[str], wanted: dict[str, list[str]]) -> None:
    pages = LivePages(bool)
    monkeypatch.setattr(pages, "_static", [("/p/static", "/static/"), ("/p/other", "/static/prefix/")])
    assert pages._kinds(paths, lambda path: path if path.endswith(".html") else None) == wanted
