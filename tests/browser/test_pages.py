"""Pages in a browser, while files are saved."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.probe import Probe, make_project
from tests.live import Server, replace, wait_for

pytestmark = pytest.mark.live

STATE = """
return [
  document.getElementById("name").value, document.querySelector("textarea").value,
  document.querySelector("[name=box]").checked, document.querySelector("select").value,
  document.activeElement.id, document.querySelector("details").open, Math.round(scrollY),
]
"""
FILL = """
document.getElementById("name").value = "typed";
document.querySelector("textarea").value = "long text";
document.querySelector("[name=box]").checked = true;
document.querySelector("select").value = "b";
document.querySelector("details").open = true;
document.getElementById("name").focus();
scrollTo(0, 345);
"""
FILLED = ["typed", "long text", True, "b", "name", True, 345]
# In each frame that is drawn: the colours that the heading has had
SAMPLE = """
window.colours = [];
window.heights = new Set();
const look = () => {
  const colour = getComputedStyle(document.getElementById("mark")).color;
  if (colours.at(-1) !== colour) colours.push(colour);
  heights.add(getComputedStyle(document.getElementById("long")).height);
  requestAnimationFrame(look);
};
look();
"""
COLOUR = "return getComputedStyle(document.getElementById('mark')).color"
SAVES = 100
LONGEST_PAUSE = 0.15  # seconds between two saves; the tests wait for facts and not for this


class Pages:
    """The browser and the server, as a test needs them."""

    def __init__(self, browser: Any, server: Server, probe: Probe) -> None:
        self.browser = browser
        self.server = server
        self.probe = probe
        self._known = server.port

    def open(self, kind: str = "plain") -> None:
        self.open_path(f"/probe/{kind}/")

    def open_path(self, path: str) -> None:
        self.browser.get(f"http://127.0.0.1:{self._known}{path}")
        self.browser.execute_script("sessionStorage.clear(); sessionStorage.loads = 1; window.mark = 1")

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def text(self) -> str:
        return str(self.run("return document.getElementById('mark')?.textContent ?? document.body?.innerText ?? ''"))

    def wait_for_text(self, text: str) -> None:
        wait_for(lambda: text in self.text(), f"{text} on the page")

    @property
    def is_the_same(self) -> bool:
        """Whether the page was not loaded again."""
        return bool(self.run("return window.mark === 1"))

    @property
    def loads(self) -> int:
        return int(self.run("return Number(sessionStorage.loads)"))

    def wait_for_stream(self) -> None:
        """The page hears the server: it shows what is saved now."""
        self.wait_for_text(self.probe.save_template())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[tuple[Server, Path]]:
    project = make_project(tmp_path_factory.mktemp("pages"))
    with Server(project, environ={"DJANGO_SETTINGS_MODULE": "bookshop.probe_settings"}) as server:
        server.wait_for_body("template-0", "/probe/plain/")
        yield server, project
        browser.get("about:blank")


@pytest.fixture
def pages(running: tuple[Server, Path], browser: Any) -> Iterator[Pages]:
    server, project = running
    probe = Probe(project)
    probe.restore()
    server.wait_for_body("template-0 code-0", "/probe/plain/")
    yield Pages(browser, server, probe)
    for handle in browser.window_handles[1:]:
        browser.switch_to.window(handle)
        browser.close()
    browser.switch_to.window(browser.window_handles[0])
    browser.get("about:blank")  # a page that follows what is restored for the next test would hand it what was typed


@pytest.mark.parametrize("kind", ["plain", "stream", "packed", "policy", "nonce", "cached"])
def test_what_was_done_to_a_page_stays(pages: Pages, kind: str) -> None:
    """Through a change of a template and one of code; of pages with a policy, and of one that is a stream."""
    pages.open(kind)
    pages.run("document.querySelector('dialog').showModal(); document.getElementById('root').append('an app')")
    pages.run(FILL)
    pages.wait_for_text(pages.probe.save_template())
    pages.wait_for_text(pages.probe.save_code())
    assert pages.is_the_same
    state = pages.run(STATE)
    assert state[:4] == FILLED[:4] and state[5:] == FILLED[5:]
    assert pages.run("return document.querySelector('dialog').matches(':modal')")
    assert pages.run("return document.getElementById('root').textContent") == "an app"
    assert pages.run("return document.documentElement.dataset.theme") == "dark"


def test_focus_and_selection_stay(pages: Pages) -> None:
    pages.open()
    pages.run(FILL + "document.getElementById('name').setSelectionRange(1, 3)")
    for save in (pages.probe.save_template, pages.probe.save_code):
        pages.wait_for_text(save())
        assert pages.is_the_same and pages.run(STATE) == FILLED
        assert pages.run("return document.getElementById('name').selectionStart") == 1


def test_a_page_with_other_scripts_is_loaded_and_what_was_typed_is_restored(pages: Pages) -> None:
    pages.open()
    pages.wait_for_stream()
    pages.run(FILL)
    pages.probe.save_script()
    wait_for(lambda: pages.run("return window.other !== undefined"), "the other script")
    wait_for(lambda: pages.run(STATE) == FILLED, "what was typed")
    assert not pages.is_the_same and pages.loads == 2


def test_a_style_sheet_is_exchanged_without_a_frame_that_has_none(pages: Pages) -> None:
    pages.open()
    pages.run(SAMPLE)
    colours = ["rgb(0, 0, 1)"]
    for _ in range(5):
        colours.append(pages.probe.save_sheet())
        wait_for(lambda: pages.run("return colours.at(-1)") == colours[-1], "the new colour")
    assert pages.run("return colours") == colours
    assert pages.run("return [...heights]") == ["4000px"]
    assert pages.is_the_same
    assert pages.run("return document.querySelectorAll('link[rel=stylesheet]').length") == 1


def test_a_style_sheet_that_is_written_in_two_steps(pages: Pages) -> None:
    """Emptied and closed, then written: as some compilers do."""
    pages.open()
    pages.run(SAMPLE)
    sheet = pages.probe.project / "shop/static/probe.css"
    text = sheet.read_text()
    sheet.write_text("")
    sheet.write_text(text.replace("rgb(0, 0, 1)", "rgb(9, 9, 9)"))
    wait_for(lambda: pages.run("return colours.at(-1)") == "rgb(9, 9, 9)", "the new colour")
    assert pages.run("return [...heights]") == ["4000px"]


def test_each_frame_follows_for_itself(pages: Pages) -> None:
    pages.open("frame")
    inner = "document.querySelector('iframe').contentDocument"
    wait_for(lambda: pages.run(f"return {inner}?.getElementById('mark') != null"), "the frame")
    pages.run(f"{inner}.getElementById('name').value = 'in the frame'")
    mark = pages.probe.save_template()
    pages.wait_for_text(mark)
    wait_for(lambda: mark in pages.run(f"return {inner}.getElementById('mark').textContent"), "the frame's text")
    assert pages.is_the_same
    assert pages.run(f"return {inner}.getElementById('name').value") == "in the frame"


def test_a_page_that_answers_a_form_asks(pages: Pages) -> None:
    pages.open("form")
    pages.run("document.querySelector('button').click()")
    pages.wait_for_text("POST")
    pages.run("window.mark = 1")
    pages.probe.save_template()
    offer = "document.querySelector('devrunserver-offer')"
    wait_for(lambda: pages.run(f"return {offer} !== null"), "the offer")
    assert pages.is_the_same and "template-0" in pages.text()


def test_a_page_that_comes_back_shows_what_is_new(pages: Pages) -> None:
    """By the back button, from wherever the browser keeps it."""
    pages.open("cached")
    pages.wait_for_stream()
    pages.browser.get("about:blank")
    mark = pages.probe.save_template()
    pages.server.wait_for_body(mark, "/probe/plain/")
    pages.browser.back()
    pages.wait_for_text(mark)


def test_a_hidden_tab_follows_when_it_is_shown(pages: Pages) -> None:
    pages.open()
    pages.wait_for_stream()
    first = pages.browser.current_window_handle
    pages.browser.switch_to.new_window("tab")
    pages.open("policy")
    marks = [pages.probe.save_template(), pages.probe.save_code()]
    pages.wait_for_text(marks[-1])
    pages.browser.switch_to.window(first)
    for mark in marks:
        pages.wait_for_text(mark)
    assert pages.is_the_same


def test_an_error_lies_over_the_page_until_it_is_mended(pages: Pages) -> None:
    pages.open()
    pages.wait_for_stream()
    pages.run(FILL)
    code = pages.probe.project / "bookshop/probe.py"
    text = code.read_text()
    code.write_text("broken (")
    wait_for(lambda: pages.run("return document.querySelector('devrunserver-overlay') !== null"), "the overlay")
    code.write_text(text.replace("code-0", "code-mended"))
    pages.wait_for_text("code-mended")
    assert pages.run("return document.querySelector('devrunserver-overlay') === null")
    assert pages.is_the_same and pages.run(STATE)[0] == "typed"


def test_a_page_asks_itself_where_it_may_not_have_a_shared_worker(pages: Pages) -> None:
    with new_documents(pages, "delete window.SharedWorker"):
        pages.open()
        pages.wait_for_text(pages.probe.save_template())
        pages.wait_for_text(pages.probe.save_code())
        assert pages.is_the_same


def test_nothing_is_loaded_without_a_change(pages: Pages) -> None:
    """A template that is saved as it was, a file that is no page's, a stream that is cut."""
    pages.open()
    pages.wait_for_stream()
    (pages.probe.project / "notes.txt").write_text("nothing")
    pages.run("window.updates = 0; document.addEventListener('devrunserver:update', () => { window.updates++ })")
    pages.run("dispatchEvent(new Event('online'))")  # the stream is opened anew, and tells all that it has told
    mark = pages.probe.save_template()
    pages.wait_for_text(mark)
    wait_for(lambda: pages.run("return window.updates") == 1, "one update")
    assert pages.is_the_same and pages.loads == 1


# Half a minute of silence, as the source of a medium, and a place in it
MEDIUM = """
const wav = new DataView(new ArrayBuffer(44 + 240000));
const text = (at, value) => [...value].forEach((one, index) => wav.setUint8(at + index, one.charCodeAt(0)));
text(0, "RIFF"); wav.setUint32(4, 240036, true); text(8, "WAVEfmt "); wav.setUint32(16, 16, true);
wav.setUint16(20, 1, true); wav.setUint16(22, 1, true); wav.setUint32(24, 8000, true); wav.setUint32(28, 8000, true);
wav.setUint16(32, 1, true); wav.setUint16(34, 8, true); text(36, "data"); wav.setUint32(40, 240000, true);
new Uint8Array(wav.buffer).fill(128, 44);
const video = document.getElementById("video");
video.onloadedmetadata = () => { video.currentTime = 12.5; };
video.src = URL.createObjectURL(new Blob([wav], { type: "audio/wav" }));
"""


def test_a_medium_goes_on(pages: Pages) -> None:
    pages.open()
    pages.run(MEDIUM)
    place = "return document.getElementById('video').currentTime"
    wait_for(lambda: pages.run(place) == 12.5, "the place")
    pages.wait_for_text(pages.probe.save_template())
    pages.wait_for_text(pages.probe.save_code())
    assert pages.run(place) == 12.5


def test_htmx_is_told_of_what_is_new(pages: Pages) -> None:
    pages.open()
    pages.run("window.told = []; window.htmx = { process: (one) => told.push(one.id) }")
    root = '<div id="root"></div>'
    pages.wait_for_text(
        pages.probe.save_template_with(root, f'{root}<button id="new" hx-get="/probe/small/"></button>')
    )
    assert pages.run("return told") == ["new"]


def test_what_is_permanent_is_not_touched(pages: Pages) -> None:
    pages.open()
    pages.wait_for_text(pages.probe.save_template_with(">first<", ">second<"))
    assert pages.run("return document.getElementById('permanent').textContent") == "first"


@pytest.mark.parametrize("header", ["HX-Request", "Turbo-Frame", "X-Requested-With"])
def test_what_a_script_asks_for_is_left_alone(pages: Pages, header: str) -> None:
    pages.open()
    text = pages.run(f"return fetch('/probe/small/', {{ headers: {{ '{header}': 'a' }} }}).then((one) => one.text())")
    assert "<!doctype html>" in text and "devrunserver" not in text


def test_broken_html(pages: Pages) -> None:
    pages.open("broken")
    pages.run("document.getElementById('name').value = 'typed'")
    pages.wait_for_text(pages.probe.save_code())
    assert pages.is_the_same and pages.run("return document.getElementById('name').value") == "typed"


def test_the_admin(pages: Pages) -> None:
    """Its scripts and styles are many, and it chooses a theme by one of them."""
    pages.open_path("/admin/login/")
    pages.run("document.getElementById('id_username').value = 'typed'; document.getElementById('id_password').focus()")
    pages.wait_for_text(pages.probe.save_admin())
    assert pages.is_the_same and pages.run("return document.getElementById('id_username').value") == "typed"
    assert pages.run("return document.activeElement.id") == "id_password"


def test_two_windows(pages: Pages) -> None:
    pages.open()
    pages.browser.switch_to.new_window("window")
    pages.open("cached")
    mark = pages.probe.save_template()
    for handle in pages.browser.window_handles:
        pages.browser.switch_to.window(handle)
        pages.wait_for_text(mark)
        assert pages.is_the_same


def test_a_stream_that_has_died_without_a_word(pages: Pages) -> None:
    """While the machine slept, say: the page asks anew when it is looked at."""
    source = """
    delete window.SharedWorker;
    window.sources = [];
    window.EventSource = class extends EventSource { constructor(url) { super(url); sources.push(this); } };
    """
    with new_documents(pages, source):
        pages.open()
        pages.wait_for_stream()
        pages.run("sources.at(-1).close()")
        mark = pages.probe.save_template()
        pages.server.wait_for_body(mark, "/probe/plain/")
        assert mark not in pages.text()
        pages.run("document.dispatchEvent(new Event('visibilitychange'))")
        pages.wait_for_text(mark)
        assert pages.is_the_same


# The page knows its own streams, and what Turbo has shown in it
COUNT_STREAMS = """
delete window.SharedWorker;
window.sources = [];
window.EventSource = class extends EventSource { constructor(url) { super(url); sources.push(this); } };
window.shown = 0;
document.addEventListener("turbo:load", () => { window.shown++; });
"""
OPEN_STREAMS = "return sources.filter((one) => one.readyState !== EventSource.CLOSED).length"

INSIDE = "return document.getElementById('inside')?.textContent"  # the frame of Turbo's


def visit(pages: Pages, script: str) -> None:
    """Has Turbo show another page, and waits for it."""
    before = pages.run("return window.shown")
    pages.run(script)
    wait_for(lambda: pages.run("return window.shown") == before + 1, "the page")


def test_pages_of_turbo_follow_as_one_page(pages: Pages) -> None:
    """Each by what the server has sent of it, by one stream; one that Turbo had kept too."""
    with new_documents(pages, COUNT_STREAMS):
        pages.open("turbo")
        pages.wait_for_stream()
        pages.run("window.permanent = document.getElementById('permanent')")
        visit(pages, "Turbo.visit('/probe/turbo/?second')")
        wait_for(lambda: pages.run(INSIDE), "the frame, for it pushes down what is below")
        pages.run("document.getElementById('root').append('an app');" + FILL)
        marks = [pages.probe.save_template(), pages.probe.save_code()]
        for mark in marks:
            pages.wait_for_text(mark)
        assert pages.is_the_same and pages.run(STATE) == FILLED
        assert pages.run("return document.getElementById('root').textContent") == "an app"
        assert pages.run("return window.permanent === document.getElementById('permanent')")
        visit(pages, "history.back()")
        for mark in marks:
            assert mark in pages.text(), "what Turbo had kept of the page that was left is none of this generation"
        assert pages.run(OPEN_STREAMS) == 1 and pages.is_the_same
        visit(pages, "Turbo.visit('/probe/turbo/?third')")
        visit(pages, "history.back()")
        pages.wait_for_text(pages.probe.save_template())
        assert not pages.is_the_same, "what the server had sent of it is not known"
        pages.wait_for_text(pages.probe.save_code())
        assert pages.run(OPEN_STREAMS) == 1


def test_a_frame_of_turbo_follows_by_itself(pages: Pages) -> None:
    """What was typed in it stays; in a page that was loaded, and in one that Turbo has shown."""
    with new_documents(pages, COUNT_STREAMS):
        pages.open("turbo")
        for is_first in (True, False):
            if not is_first:
                visit(pages, "Turbo.visit('/probe/turbo/?second')")
            wait_for(lambda: pages.run(INSIDE), "the frame")
            pages.wait_for_stream()
            pages.run("document.getElementById('within').value = 'typed'")
            mark = pages.probe.save_code()
            wait_for(lambda mark=mark: pages.run(INSIDE) == mark, "the frame's text")  # type: ignore[misc]
            pages.wait_for_text(mark)
            assert pages.is_the_same and pages.run("return document.getElementById('within').value") == "typed"


def test_a_second_tag_does_nothing(pages: Pages) -> None:
    """A script has fetched a page with one, and put it into this page."""
    with new_documents(pages, COUNT_STREAMS):
        pages.open()
        pages.wait_for_stream()
        pages.run("""
        const tag = document.querySelector("[data-devrunserver]");
        const again = document.createElement("script");
        for (const { name, value } of tag.attributes) again.setAttribute(name, value);
        again.onload = () => { window.isAgain = true; };
        document.head.append(again);
        """)
        wait_for(lambda: pages.run("return window.isAgain"), "the second tag")
        pages.wait_for_text(pages.probe.save_template())
        assert pages.run(OPEN_STREAMS) == 1 and pages.is_the_same


# Takes the first style sheet that is put into the page in another's place, and breaks it
BREAK_ONCE = """
window.broken = 0;
new MutationObserver((records, observer) => {
  const link = records.flatMap((one) => [...one.addedNodes]).find((one) => one.href?.includes("devrunserver="));
  if (!link) return;
  observer.disconnect();
  window.broken++;
  %s
}).observe(document.head, { childList: true });
"""


def test_a_style_sheet_that_fails_is_asked_for_again(pages: Pages) -> None:
    pages.open()
    pages.run(BREAK_ONCE % "link.href = 'http://127.0.0.1:1/none.css'")
    colour = pages.probe.save_sheet()
    wait_for(lambda: pages.run(COLOUR) == colour, "the colour")
    assert pages.is_the_same and pages.run("return broken") == 1
    assert pages.run("return document.querySelectorAll('link[rel=stylesheet]').length") == 1


@pytest.mark.deep
def test_a_style_sheet_that_never_comes_keeps_nothing_from_coming(pages: Pages) -> None:
    """It is given up after a while, and asked for again."""
    pages.open()
    pages.run(BREAK_ONCE % "link.remove()")
    colour = pages.probe.save_sheet()
    wait_for(lambda: pages.run("return broken") == 1, "a style sheet that never comes")
    mark = pages.probe.save_template()
    pages.wait_for_text(mark)
    wait_for(lambda: pages.run(COLOUR) == colour, "the colour")
    assert pages.is_the_same


def test_a_style_sheet_that_is_switched_off_stays_so(pages: Pages) -> None:
    pages.open()
    pages.run("""
    const link = document.createElement("link");
    document.head.append(Object.assign(link, { rel: "stylesheet", href: "/static/probe.css", id: "off" }));
    link.disabled = true;
    """)
    colour = pages.probe.save_sheet()
    wait_for(lambda: pages.run(COLOUR) == colour, "the colour")
    assert pages.run("const link = document.getElementById('off'); return link.disabled && link.href.includes('=')")


def test_a_file_that_the_page_has_used_loads_it_again(pages: Pages) -> None:
    """Also where the browser has forgotten what it has loaded, as it does from the 250th file on."""
    file = pages.probe.project / "shop/static/probe.txt"
    file.write_text("first")
    pages.open()
    pages.wait_for_stream()
    pages.run("return fetch('/static/probe.txt').then((one) => one.text())")
    wait_for(lambda: pages.run("return performance.getEntriesByType('resource').at(-1).name.includes('.txt')"), "it")
    pages.run("performance.clearResourceTimings()")
    replace(file, "second")
    wait_for(lambda: pages.loads == 2, "the page again")


@pytest.mark.deep
def test_without_threads(tmp_path: Path, browser: Any) -> None:
    project = make_project(tmp_path)
    with Server(project, "--nothreading", environ={"DJANGO_SETTINGS_MODULE": "bookshop.probe_settings"}) as server:
        pages = Pages(browser, server, Probe(project))
        pages.open()
        for save in (pages.probe.save_template, pages.probe.save_code, pages.probe.save_template):
            pages.wait_for_text(save())
        assert pages.is_the_same
        browser.get("about:blank")


@contextlib.contextmanager
def new_documents(pages: Pages, source: str) -> Iterator[None]:
    """A script that each document begins with."""
    pages.browser.execute_cdp_cmd("Page.enable", {})
    script = pages.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    try:
        yield
    finally:
        pages.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def follow_saves(pages: Pages, saves: int, seed: int) -> None:
    """Several tabs, and saves of all kinds after random pauses: in the end each shows the last state."""
    choose = random.Random(seed)
    handles: list[str] = []
    for kind in ["plain", "policy", "nonce", "stream", "cached"]:
        if handles:
            pages.browser.switch_to.new_window("tab")
        pages.open(kind)
        pages.run("window.updates = 0; document.addEventListener('devrunserver:update', () => { window.updates++ })")
        handles.append(pages.browser.current_window_handle)
    last = {"template": "template-0", "code": "code-0", "colour": "rgb(0, 0, 1)"}
    savers: dict[str, Callable[[], str]] = {
        "template": pages.probe.save_template,
        "code": pages.probe.save_code,
        "colour": pages.probe.save_sheet,
    }
    for _ in range(saves):
        kind = choose.choice([*savers])
        last[kind] = savers[kind]()
        if not choose.randrange(4):
            pages.browser.switch_to.window(choose.choice(handles))
        time.sleep(choose.uniform(0, LONGEST_PAUSE))
    for handle in handles:
        pages.browser.switch_to.window(handle)
        pages.wait_for_text(last["template"])
        pages.wait_for_text(last["code"])
        wait_for(lambda: pages.run(COLOUR) == last["colour"], "the last colour")
        assert pages.is_the_same and pages.loads == 1, f"seed {seed}"
        assert pages.run("return window.updates") <= saves


@pytest.mark.deep
@pytest.mark.parametrize("seed", [2, 3])
def test_all_tabs_end_on_the_last_generation(pages: Pages, seed: int) -> None:
    follow_saves(pages, SAVES, seed)
