"""What becomes of a page that changes: before, after, what somebody has done to it, and what has to be true then.

A case without ``act`` has to end equal to a plain load. ``act`` and ``keep`` are JavaScript; ``d`` is the document,
``w`` its window, ``$`` finds an element, and ``kept`` is what ``act`` returns.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One page, before and after.

    Attributes:
        is_doubtful: whether the page has to be loaded instead.
    """

    name: str
    before: str
    after: str
    act: str = ""
    keep: str = ""
    is_doubtful: bool = False


def rows(*numbers: int, tag: str = "li") -> str:
    return "".join(f'<{tag} id="row{number}">Row {number} <input name="n{number}"></{tag}>' for number in numbers)


EQUAL = [
    Case("nothing", "<p>a</p>", "<p>a</p>"),
    Case("text", "<p>a</p>", "<p>b</p>"),
    Case("text beside an element", "<p>a <b>b</b> c</p>", "<p>x <b>b</b> y</p>"),
    Case("text comes", "<p></p>", "<p>a</p>"),
    Case("text goes", "<p>a</p>", "<p></p>"),
    Case("entities", "<p>&lt;a&gt;</p>", "<p>&amp;b&nbsp;</p>"),
    Case("comment", "<!-- a --><p>a</p>", "<!-- b --><p>a</p>"),
    Case("comment to text", "<p><!-- a --></p>", "<p>a</p>"),
    Case("attribute comes", "<p>a</p>", '<p title="t">a</p>'),
    Case("attribute goes", '<p title="t" hidden>a</p>', "<p>a</p>"),
    Case("attribute changes", '<a href="/a">a</a>', '<a href="/b">a</a>'),
    Case("class", '<p class="a b">a</p>', '<p class="b c">a</p>'),
    Case("style attribute", '<p style="color: red">a</p>', '<p style="color: blue; margin: 0">a</p>'),
    Case("data attributes", '<p data-a="1" data-b="2">a</p>', '<p data-b="3" data-c="4">a</p>'),
    Case("tag changes", "<h1>a</h1>", "<h2>a</h2>"),
    Case("first child comes", "<ul><li>b</ul>", "<ul><li>a<li>b</ul>"),
    Case("last child comes", "<ul><li>a</ul>", "<ul><li>a<li>b</ul>"),
    Case("middle child goes", "<ul><li>a<li>b<li>c</ul>", "<ul><li>a<li>c</ul>"),
    Case("all children go", "<ul><li>a<li>b</ul>", "<ul></ul>"),
    Case("list without ids turned round", "<ul><li>a<li>b<li>c</ul>", "<ul><li>c<li>b<li>a</ul>"),
    Case("keyed list turned round", f"<ul>{rows(1, 2, 3, 4, 5)}</ul>", f"<ul>{rows(5, 4, 3, 2, 1)}</ul>"),
    Case("keyed list, one moved", f"<ul>{rows(1, 2, 3, 4, 5)}</ul>", f"<ul>{rows(2, 3, 4, 5, 1)}</ul>"),
    Case("keyed list, come and gone", f"<ul>{rows(1, 2, 3)}</ul>", f"<ul>{rows(4, 2, 5, 1)}</ul>"),
    Case("keyed list, all new", f"<ul>{rows(1, 2)}</ul>", f"<ul>{rows(3, 4)}</ul>"),
    Case("id changes", '<p id="a">a</p>', '<p id="b">a</p>'),
    Case("ids swapped", '<p id="a">a</p><p id="b">b</p>', '<p id="b">a</p><p id="a">b</p>'),
    Case("same id twice before", '<p id="a">1</p><p id="a">2</p>', '<p id="a">2</p>'),
    Case("same id twice after", '<p id="a">1</p>', '<p id="a">1</p><b>x</b><p id="a">2</p>'),
    Case("id on another tag", '<p id="a">1</p>', '<div id="a">1</div>'),
    Case("wrapped", '<p id="a">1</p>', '<div class="wrap"><p id="a">1</p></div>'),
    Case("wrapped with others", '<i id="a">1</i><i id="b">2</i>', '<div><i id="a">1</i> and <i id="b">2</i></div>'),
    Case("unwrapped", '<div><p id="a">1</p></div>', '<p id="a">1</p>'),
    Case("twice wrapped", '<p id="a">1</p>', '<div><section><p id="a">2</p></section></div>'),
    Case("parent and child swapped", '<div id="a"><div id="b">x</div></div>', '<div id="b"><div id="a">x</div></div>'),
    Case("to another list", f"<ul>{rows(1, 2)}</ul><ol></ol>", f"<ul>{rows(1)}</ul><ol>{rows(2)}</ol>"),
    Case("between lists, both ways", f"<ul>{rows(1)}</ul><ol>{rows(2)}</ol>", f"<ul>{rows(2)}</ul><ol>{rows(1)}</ol>"),
    Case("out of a removed part", f"<div><ul>{rows(1)}</ul></div><hr>", f"<hr><ol>{rows(1)}</ol>"),
    Case("table rows", f"<table>{rows(1, 2, tag='tr')}</table>", "<table><tr><td>x<td>y<tr><td>z</table>"),
    Case(
        "table parts",
        "<table><thead><tr><th>a<tbody><tr><td>b</table>",
        "<table><caption>c</caption><colgroup><col></colgroup><thead><tr><th>a<th>d<tbody><tr><td>b<td>e</table>",
    ),
    Case("svg", '<svg viewBox="0 0 1 1"><g><path d="M0 0"/></g></svg>', '<svg viewBox="0 0 2 2"><circle r="1"/></svg>'),
    Case("svg link", '<svg><use xlink:href="#a"/></svg>', '<svg><use xlink:href="#b"/><title>t</title></svg>'),
    Case("mathml", "<math><mi>x</mi></math>", "<math><mi>y</mi><mo>+</mo></math>"),
    Case("foreign object", "<svg><foreignObject><p>a</p></foreignObject></svg>", "<svg><a><p>b</p></a></svg>"),
    Case("template", "<template><p>a</p></template>", "<template><p>b</p></template>"),
    Case("template in a template", "<template><template>a</template></template>", "<template><b></b></template>"),
    Case("template comes", "<p>a</p>", "<p>a</p><template><p>b</p></template>"),
    Case("custom element", '<x-a size="1">a</x-a>', '<x-a size="2">b</x-a><x-b></x-b>'),
    Case("value of an input", '<input value="a">', '<input value="b">'),
    Case("input of another type", '<input name="a" type="text" value="1">', '<input name="a" type="number" value="2">'),
    *(
        Case(f"input of type {kind}", f'<input type="{kind}" value="{one}">', f'<input type="{kind}" value="{other}">')
        for kind, one, other in [
            ("search", "a", "b"),
            ("number", "1", "2"),
            ("range", "10", "20"),
            ("color", "#000000", "#ffffff"),
            ("date", "2026-01-01", "2026-01-02"),
            ("time", "10:00", "11:00"),
            ("email", "a@b.c", "d@e.f"),
            ("hidden", "a", "b"),
            ("submit", "Send", "Go"),
            ("password", "a", "b"),
        ]
    ),
    Case("box checked", '<input type="checkbox">', '<input type="checkbox" checked>'),
    Case("box unchecked", '<input type="checkbox" checked>', '<input type="checkbox">'),
    Case(
        "radio",
        '<input type="radio" name="r" value="1" checked><input type="radio" name="r" value="2">',
        '<input type="radio" name="r" value="1"><input type="radio" name="r" value="2" checked>',
    ),
    Case("option chosen", "<select><option>a<option>b</select>", "<select><option>a<option selected>b</select>"),
    Case(
        "option comes", "<select><option>a</select>", "<select><option>z<option>a<optgroup label=g><option>b</select>"
    ),
    Case("textarea", "<textarea>a</textarea>", "<textarea>b\nc</textarea>"),
    Case("details opened", "<details><summary>s</summary>a</details>", "<details open><summary>s</summary>b</details>"),
    Case("fieldset disabled", "<fieldset><input></fieldset>", "<fieldset disabled><input><input></fieldset>"),
    Case("frame set", '<iframe srcdoc="a"></iframe>', '<iframe srcdoc="b" title="t"></iframe>'),
    Case("pre", "<pre>\n a\n  b</pre>", "<pre>\n\n a\n c</pre>"),
    Case("broken HTML", "<p>a<div>b</p></b>", "<div><p>a<table>x<tr></div><td>b</i>"),
    Case("only text", "a", "b <br> c"),
    Case("everything", "<main><h1>a</h1></main>", "<header>x</header><main><p>y</p></main><footer>z</footer>"),
    Case("nothing left", "<p>a</p><p>b</p>", ""),
    Case("out of nothing", "", "<p>a</p>"),
    Case("attribute of the body", "<body class='a'><p>x", "<body class='b' dir='rtl'><p>x"),
    Case("attribute of the root", "<html lang='en'><p>x", "<html lang='de' data-x='1'><p>x"),
    Case("title", "<title>a</title><p>x", "<title>b</title><p>x"),
    Case("meta", "<meta name='a' content='1'><p>x", "<meta name='b' content='2'><meta name='a' content='3'><p>x"),
    Case("style", "<style>p { color: red }</style><p>x", "<style>p { color: blue }</style><p>x"),
    Case("styles come and go", "<style>a {}</style><style>b {}</style>", "<style>c {}</style><link rel='x' href='#y'>"),
    Case("script stays", "<script>var a</script><p>x", "<p>y<script>var a</script>"),
    Case("noscript", "<noscript><img alt=a></noscript><p>x", "<noscript><img alt=b></noscript><p>y"),
]

KEPT = [
    Case(
        "typed text",
        '<p>a</p><form><input name="q"></form>',
        '<p>b</p><form class="x"><label>l</label><input name="q"></form>',
        '$("input").value = "typed"; return $("input")',
        'kept === $("input") && kept.value === "typed"',
    ),
    Case(
        "typed text, wrapped",
        '<form><input id="q" name="q"></form>',
        '<form><div><label><input id="q" name="q"></label></div></form>',
        '$("input").value = "typed"; return $("input")',
        'kept === $("input") && kept.value === "typed"',
    ),
    Case(
        "typed text, another field before it",
        '<form><input name="b"></form>',
        '<form><input name="a"><input name="b"></form>',
        '$("input").value = "typed"',
        '$("[name=b]").value === "typed" && $("[name=a]").value === ""',
    ),
    Case(
        "textarea",
        "<p>a</p><textarea>x</textarea>",
        "<p>b</p><textarea>y</textarea>",
        '$("textarea").value = "typed"',
        '$("textarea").value === "typed"',
    ),
    Case(
        "box",
        '<p>a</p><input type="checkbox" name="c">',
        '<p>b</p><input type="checkbox" name="c" class="x">',
        '$("input").click()',
        '$("input").checked',
    ),
    Case(
        "choice",
        '<p>a</p><select name="s"><option>a<option>b</select>',
        '<p>b</p><select name="s"><option>a<option>b<option>c</select>',
        '$("select").value = "b"',
        '$("select").value === "b"',
    ),
    Case(
        "focus and selection",
        '<p>a</p><input id="q" value="hello">',
        '<h1>b</h1><div><input id="q" value="hello"></div>',
        '$("input").focus(); $("input").setSelectionRange(1, 3)',
        'd.activeElement === $("input") && $("input").selectionStart === 1 && $("input").selectionEnd === 3',
    ),
    Case(
        "focus of a moved row",
        f"<ul>{rows(1, 2, 3)}</ul>",
        f"<ul>{rows(3, 1, 2)}</ul>",
        '$("[name=n3]").focus()',
        'd.activeElement === $("[name=n3]")',
    ),
    Case(
        "scrolled part",
        '<p>a</p><div style="height: 50px; overflow: auto"><p style="height: 900px">x</p></div>',
        '<p>b</p><div style="height: 50px; overflow: auto"><p style="height: 900px">y</p></div>',
        '$("div").scrollTop = 123',
        '$("div").scrollTop === 123',
    ),
    Case(
        "open details",
        "<details><summary>s</summary>a</details>",
        "<details><summary>s</summary>b</details>",
        '$("details").open = true',
        '$("details").open && $("details").textContent === "sb"',
    ),
    Case(
        "open dialog",
        "<dialog><p>a</p></dialog>",
        "<dialog><p>b</p></dialog>",
        '$("dialog").showModal()',
        '$("dialog").open && $("dialog").matches(":modal") && $("p").textContent === "b"',
    ),
    Case(
        "what a script has added",
        '<div id="root"></div><p>a</p>',
        '<div id="root"></div><p>b</p>',
        '$("#root").innerHTML = "<b>app</b>"',
        '$("#root").innerHTML === "<b>app</b>" && $("p").textContent === "b"',
    ),
    Case(
        "an attribute that a script has set",
        "<html><p>a</p>",
        "<html><p>b</p>",
        'd.documentElement.dataset.theme = "dark"',
        'd.documentElement.dataset.theme === "dark" && $("p").textContent === "b"',
    ),
    Case(
        "a class that a script has added",
        '<nav class="menu">a</nav>',
        '<nav class="menu wide">a</nav>',
        '$("nav").classList.add("open")',
        '$("nav").className === "menu open wide"',
    ),
    Case(
        "listeners",
        "<button>a</button>",
        '<p>x</p><button class="b">c</button>',
        'w.clicks = 0; $("button").onclick = () => { w.clicks++ }',
        '($("button").click(), w.clicks === 1)',
    ),
    Case(
        "permanent, Turbo",
        '<div id="p" data-turbo-permanent>a</div><i>1</i>',
        '<div id="p" data-turbo-permanent>b</div><i>2</i>',
        'return $("div")',
        'kept === $("div") && kept.textContent === "a" && $("i").textContent === "2"',
    ),
    Case(
        "what a frame of Turbo's has loaded",
        '<turbo-frame id="f" src="/x"><p>wait</p></turbo-frame><i>1</i>',
        '<turbo-frame id="f" src="/x"><b>soon</b></turbo-frame><i>2</i>',
        '$("turbo-frame").innerHTML = "<h1>loaded</h1>"',
        '$("turbo-frame").innerHTML === "<h1>loaded</h1>" && $("i").textContent === "2"',
    ),
    Case(
        "a frame of Turbo's that has no source",
        '<turbo-frame id="f"><p>a</p></turbo-frame>',
        '<turbo-frame id="f"><p>b</p></turbo-frame>',
        "",
        '$("p").textContent === "b"',
    ),
    Case(
        "permanent, htmx",
        '<div id="p" hx-preserve>a</div><i>1</i>',
        '<div id="p" hx-preserve>b</div><i>2</i>',
        "",
        '$("div").textContent === "a" && $("i").textContent === "2"',
    ),
    Case(
        "state of a custom element",
        "<x-counter></x-counter><p>a</p>",
        '<x-counter step="2"></x-counter><p>b</p>',
        '$("x-counter").attachShadow({mode: "open"}).innerHTML = "<b>7</b>"; return $("x-counter")',
        'kept === $("x-counter") && kept.shadowRoot.textContent === "7"',
    ),
    Case(
        "a frame beside a change",
        '<p>a</p><iframe srcdoc="x"></iframe>',
        '<h1>b</h1><iframe srcdoc="x"></iframe>',
        '$("iframe").contentWindow.mark = 1',
        '$("iframe").contentWindow.mark === 1',
    ),
    Case(
        "scripts do not run again",
        "<p>a</p><script>parent.runs = (parent.runs || 0) + 1</script>",
        "<div><h1>b</h1><script>parent.runs = (parent.runs || 0) + 1</script></div>",
        "return w.parent.runs",
        "w.parent.runs === kept",
    ),
    Case(
        "a hidden token",
        '<input type="hidden" name="t" value="a">',
        '<input type="hidden" name="t" value="b">',
        "",
        '$("input").value === "b"',
    ),
]

DOUBTFUL = [
    Case(
        "a script has taken away what changes",
        "<div><p>a</p></div>",
        "<div><p>b</p></div>",
        '$("p").remove()',
        is_doubtful=True,
    ),
    Case(
        "a script has replaced the body",
        "<p>a</p>",
        "<p>b</p>",
        'd.body = d.createElement("body")',
        is_doubtful=True,
    ),
    Case("another script", "<script>var a</script>", "<script>var b</script>", is_doubtful=True),
    Case("a script more", "<p>a", "<p>a<script>var b</script>", is_doubtful=True),
]

CASES = [*EQUAL, *KEPT, *DOUBTFUL]
