// Stands in for Turbo, which no package of Python's brings: what it does to a page, to a frame in it, and to whom it
// tells of that. Pages are fetched and put into the one that is there; what is left is kept for the way back.

const HTML = "text/html, application/xhtml+xml";
const snapshots = new Map(); // pages that were left, by their URLs
let shown = location.href;

const tell = (name, target = document, detail = {}) =>
  target.dispatchEvent(new CustomEvent(`turbo:${name}`, { bubbles: true, cancelable: true, detail }));

/** A script that came by `fetch` does not run; one that is made does. */
function activate(script) {
  const made = document.createElement("script");
  for (const { name, value } of script.attributes) made.setAttribute(name, value);
  made.textContent = script.textContent;
  made.async = false;
  script.replaceWith(made);
}

const isAsset = (one) => one.localName === "script" || one.localName === "style" || one.rel === "stylesheet";

/** Scripts and styles stay and are added to; all else in the head is the new page's. */
function mergeHead(head) {
  const known = new Set([...document.head.children].filter(isAsset).map((one) => one.outerHTML));
  for (const one of [...document.head.children]) if (!isAsset(one)) one.remove();
  for (const one of [...head.children]) {
    if (isAsset(one) && known.has(one.outerHTML)) continue;
    const added = document.importNode(one, true);
    document.head.append(added);
    if (added.localName === "script") activate(added);
  }
}

function render(page) {
  const body = document.importNode(page.body, true);
  tell("before-render", document.documentElement, { newBody: body });
  mergeHead(page.head);
  for (const old of document.querySelectorAll("[data-turbo-permanent][id]")) {
    const now = body.querySelector(`#${old.id}[data-turbo-permanent]`);
    if (now) now.replaceWith(old);
  }
  document.body.replaceWith(body);
  for (const script of body.querySelectorAll("script")) activate(script);
  tell("render", document.documentElement);
}

async function visit(url, action = "advance") {
  const target = new URL(url, location.href).href;
  tell("visit", document.documentElement, { url: target, action });
  tell("before-cache");
  const left = document.implementation.createHTMLDocument();
  left.documentElement.replaceWith(left.importNode(document.documentElement, true));
  snapshots.set(shown, left);
  if (action === "advance") history.pushState({}, "", target);
  shown = target;
  const kept = snapshots.get(target);
  if (kept) render(kept); // on the way there a preview, on the way back all there is
  if (!kept || action !== "restore") {
    const response = await fetch(target, { headers: { Accept: HTML }, credentials: "same-origin" });
    tell("before-fetch-response", document.documentElement, { fetchResponse: response });
    render(new DOMParser().parseFromString(await response.text(), "text/html"));
  }
  tell("load", document.documentElement);
}

customElements.define(
  "turbo-frame",
  class extends HTMLElement {
    connectedCallback() {
      if (this.hasAttribute("src") && !this.hasAttribute("complete")) this.reload();
    }

    async reload() {
      const url = new URL(this.getAttribute("src"), location.href);
      const response = await fetch(url, { headers: { Accept: HTML, "Turbo-Frame": this.id } });
      tell("before-fetch-response", this, { fetchResponse: response });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const found = page.querySelector(`turbo-frame#${this.id}`);
      this.replaceChildren(...[...found.childNodes].map((one) => document.importNode(one, true)));
      this.setAttribute("complete", "");
      tell("frame-render", this, { fetchResponse: response });
      tell("frame-load", this);
    }
  },
);

addEventListener("popstate", () => visit(location.href, "restore"));
window.Turbo = { visit, cache: { clear: () => snapshots.clear() } };
tell("load", document.documentElement);
