"""A project with pages of all kinds, to be watched in a browser while its files are saved."""

from __future__ import annotations

from pathlib import Path

from tests.live import copy_testproject, replace

TEMPLATE = "shop/templates/probe.html"
SHEET = "shop/static/probe.css"
CODE = "bookshop/probe.py"
ADMIN = "shop/templates/admin/base_site.html"

FILES = {
    TEMPLATE: """\
{% load static %}<!doctype html>
<html lang="en">
<head>
  <title>Probe</title>
  <link rel="stylesheet" href="{% static 'probe.css' %}">
  {% if turbo %}<script src="{% static 'turbo_drive.js' %}" defer></script>{% endif %}
  <script{% if nonce %} nonce="{{ nonce }}"{% endif %}>
    window.loads = sessionStorage.loads = Number(sessionStorage.loads || 0) + 1;
    document.documentElement.dataset.theme = "dark";
  </script>
</head>
<body>
  <h1 id="mark">template-0 {{ code }} {{ method }}</h1>
  <form>
    <input id="name" name="name">
    <textarea name="text"></textarea>
    <input type="checkbox" name="box">
    <select name="choice"><option>a</option><option>b</option></select>
  </form>
  <details><summary>more</summary>inner</details>
  <dialog>a dialog</dialog>
  {% if turbo %}<turbo-frame id="frame" src="/probe/part/">wait</turbo-frame>{% endif %}
  <div id="root"></div>
  <div id="permanent" data-turbo-permanent>first</div>
  <video id="video"></video>
  {% if frame %}<iframe src="/probe/plain/"></iframe>{% endif %}
  <p id="long">long</p>
  <script id="data" type="application/json">{"number": 1}</script>
  <script></script>
</body>
</html>
""",
    ADMIN: """\
{% extends "admin/base.html" %}
{% block footer %}<p id="mark">template-0</p>{% endblock %}
""",
    "shop/static/turbo_drive.js": Path(__file__).with_name("turbo_drive.js").read_text(),
    SHEET: "h1 { color: rgb(0, 0, 1) }\n#long { height: 4000px }\n",
    "bookshop/probe_urls.py": """\
from django.urls import path

from bookshop import probe
from bookshop.urls import urlpatterns as others

urlpatterns = [path("probe/<slug:kind>/", probe.page), *others]
""",
    CODE: """\
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import patch_cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page

CODE = "code-0"
DOCUMENT = "<!doctype html><html lang='en'><head><title>Document</title></head><body>"
POLICIES = {
    "policy": "default-src 'none'; style-src 'self'; script-src 'unsafe-inline'",
    "nonce": "default-src 'none'; style-src 'self'; script-src 'nonce-abc' 'strict-dynamic'; connect-src 'self'",
}


@csrf_exempt
def page(request, kind):
    return gzip_page(answer)(request, kind) if kind == "packed" else answer(request, kind)


def answer(request, kind):
    context = {"code": CODE, "method": request.method, "frame": kind == "frame", "nonce": kind == "nonce" and "abc"}
    context["turbo"] = kind == "turbo"
    if kind == "stream":
        return StreamingHttpResponse([render_to_string("probe.html", context, request)])
    if kind == "part":
        return HttpResponse(f"<turbo-frame id=frame><b id=inside>{CODE}</b><input id=within></turbo-frame>")
    if kind == "broken":
        return HttpResponse(f"<b><p><table><div id=mark>{CODE}</table></b><form><p><input id=name></li><!-- ")
    if kind in ("small", "large"):
        return HttpResponse(DOCUMENT + "<p>" + "text " * (25 if kind == "small" else 40_000))
    if kind == "form":
        return HttpResponse('<form method="post" action="/probe/plain/"><button>Send</button></form>')
    response = render(request, "probe.html", context)
    if kind in POLICIES:
        response["Content-Security-Policy"] = POLICIES[kind]
    if kind == "cached":
        patch_cache_control(response, max_age=600)
    return response
""",
    "bookshop/probe_settings.py": """\
from bookshop.settings import *

ROOT_URLCONF = "bookshop.probe_urls"
X_FRAME_OPTIONS = "SAMEORIGIN"
""",
}


def make_project(directory: Path) -> Path:
    """A copy of ``testproject`` with the probe's files."""
    project = copy_testproject(directory)
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    return project


class Probe:
    """Saves the files of a running probe, each time with another number in them."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.number = 0

    def save_template(self) -> str:
        """Returns what the page shows then."""
        return self._save(TEMPLATE, "template-0", "template")

    def save_template_with(self, old: str, new: str) -> str:
        """The same, with another text in another place too."""
        assert old in FILES[TEMPLATE]
        self.number += 1
        mark = f"template-{self.number}"
        self._write(TEMPLATE, FILES[TEMPLATE].replace("template-0", mark).replace(old, new))
        return mark

    def save_admin(self) -> str:
        """The same of the pages of Django's admin."""
        return self._save(ADMIN, "template-0", "template")

    def save_code(self) -> str:
        return self._save(CODE, "code-0", "code")

    def save_sheet(self) -> str:
        """Returns the colour of the heading then."""
        self.number += 1
        colour = f"rgb({self.number % 250}, 5, 5)"
        self._write(SHEET, FILES[SHEET].replace("rgb(0, 0, 1)", colour))
        return colour

    def save_script(self) -> None:
        """The page has another script then."""
        self.number += 1
        self._write(TEMPLATE, FILES[TEMPLATE].replace("window.loads", f"window.other = {self.number}; window.loads"))

    def restore(self) -> None:
        """All files as they were first."""
        for name in (TEMPLATE, CODE, SHEET, ADMIN):
            if (self.project / name).read_text() != FILES[name]:
                self._write(name, FILES[name])

    def _save(self, name: str, first: str, kind: str) -> str:
        self.number += 1
        mark = f"{kind}-{self.number}"
        self._write(name, FILES[name].replace(first, mark))
        return mark

    def _write(self, name: str, text: str) -> None:
        replace(self.project / name, text)
