"""A project of another framework, as its own command makes it: Wagtail, with its admin and its own static files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import REPOSITORY, Asker, Server, replace

pytest.importorskip("wagtail")

VIEW = "search/views.py"
TEMPLATE = "search/templates/search/search.html"
STYLESHEET = re.compile(r'<link[^>]+href="(/static/[^"]+\.css[^"]*)"')


@pytest.fixture
def wagtail_project(tmp_path: Path) -> Path:
    """What ``wagtail start mysite`` makes, with our app on top and its database migrated."""
    start = "from wagtail.bin.wagtail import main; main()"
    subprocess.run([sys.executable, "-c", start, "start", "mysite"], cwd=tmp_path, check=True, capture_output=True)
    project = tmp_path / "mysite"
    settings = project / "mysite/settings/base.py"
    healthy = settings.read_text()
    replace(settings, healthy.replace("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "devrunserver",', 1))
    assert settings.read_text() != healthy
    environ = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO")}
    environ["PYTHONPATH"] = str(REPOSITORY)
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(migrate, cwd=project, env=environ, check=True, capture_output=True)
    return project


@pytest.mark.deep
def test_a_wagtail_project(wagtail_project: Path) -> None:
    view, template = wagtail_project / VIEW, wagtail_project / TEMPLATE
    healthy = view.read_text()
    with Server(wagtail_project) as server:
        with Asker(server.port, "/search/") as asker:
            login = server.get("/admin/login/")
            assert login.status == 200
            stylesheets = STYLESHEET.findall(login.body)
            assert stylesheets
            for path in stylesheets:
                answer = server.get(path)
                assert answer.status == 200
                assert "Content-Type: text/css" in answer.headers

            for number in range(1, 4):
                replace(view, healthy.replace('"search_query": search_query', f'"search_query": "edit-{number}"'))
                server.wait_for_body(f'value="edit-{number}"', "/search/")
            assert server.log.count(f"{VIEW} changed, reloading.") == 3
        assert set(asker.counts) == {"200"}

        # While nobody else asks: Django caches what a request has begun to load before the edit
        for number in range(1, 4):
            replace(template, template.read_text().replace("<h1>", f"<p>template-{number}</p><h1>"))
            server.wait_for_body(f"template-{number}", "/search/")
        assert f"{TEMPLATE} changed" not in server.log
        assert server.get("/admin/login/").status == 200
