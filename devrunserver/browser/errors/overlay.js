// The error overlay, and the buttons of the error page.
//
// The overlay shows the very page that a navigation would show, over the page that is open: `show(html)` takes its
// document apart and puts it into a shadow root, so that neither's styles reach the other. It takes no focus and
// touches nothing of the page below; `hide()` leaves that as it was. Styles are adopted and no script runs, so a
// Content-Security-Policy of the page does not matter.
//
// For the live reload client:
//   devrunserverError.show(html)   an answer to the page's own URL that is an error page (`isErrorPage(html)`)
//   devrunserverError.hide()       the project answers again
(() => {
  "use strict";
  if (window.devrunserverError) return;

  const MARK = 'class="error-page"';
  const COPIED = 1500; // milliseconds for which a button says so
  const FALLBACK = "The project has an error. This page does not allow to show it here: load it again, or see the terminal.";

  let host = null;
  let dismissed = ""; // the document that the user has closed, which does not come again by itself

  function parse(html) {
    let markup = html;
    if (window.trustedTypes) {
      markup = window.trustedTypes.createPolicy("devrunserver", { createHTML: (text) => text }).createHTML(html);
    }
    return new DOMParser().parseFromString(markup, "text/html");
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch { // no secure context, or not allowed
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }

  function wire(root) {
    for (const button of root.querySelectorAll("button[data-copy]")) {
      const label = button.textContent;
      button.hidden = false;
      button.addEventListener("click", async () => {
        const source = button.dataset.copy ? root.querySelector(`[data-source="${button.dataset.copy}"]`) : null;
        const done = await copy(source ? source.value : button.previousElementSibling.textContent);
        button.textContent = done ? "Copied" : "Not copied";
        setTimeout(() => { button.textContent = label; }, COPIED);
      });
    }
  }

  function content(html) {
    let error;
    let style = "";
    try {
      const page = parse(html);
      error = document.importNode(page.querySelector("main.error"), true);
      style = page.querySelector("style").textContent;
    } catch { // Trusted Types that allow no policy
      error = document.createElement("main");
      error.className = "error";
      error.textContent = FALLBACK;
    }
    return { error, style };
  }

  function build(html) {
    const { error, style } = content(html);
    host = document.createElement("devrunserver-overlay");
    host.setAttribute("role", "alertdialog");
    host.setAttribute("aria-label", "Error in the project");
    host.setAttribute("popover", "manual");
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style);
    root.adoptedStyleSheets = [sheet];
    const backdrop = document.createElement("div");
    backdrop.className = "backdrop";
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.textContent = "Close (Esc)";
    close.addEventListener("click", () => dismiss(html));
    error.prepend(close);
    backdrop.append(error);
    root.append(backdrop);
    wire(root);
    root.querySelector("h1")?.setAttribute("role", "alert");
  }

  function show(html) {
    if (html === dismissed) return;
    remove();
    build(html);
    host.source = html;
    // what is outside of a modal dialog cannot be clicked
    const modal = [...document.querySelectorAll("dialog[open]")].filter((one) => one.matches(":modal")).pop();
    (modal ?? document.documentElement).append(host);
    host.showPopover?.(); // above everything else; where there is none, by its z-index
    addEventListener("keydown", onKey, true);
  }

  function onKey(event) {
    if (event.key === "Escape" && host) {
      event.preventDefault();
      event.stopImmediatePropagation();
      dismiss(host.source);
    }
  }

  function remove() {
    removeEventListener("keydown", onKey, true);
    host?.remove();
    host = null;
  }

  function dismiss(html) {
    dismissed = html;
    remove();
  }

  function hide() {
    dismissed = "";
    remove();
  }

  function isErrorPage(html) {
    return html.slice(0, 500).includes(MARK);
  }

  window.devrunserverError = { show, hide, isErrorPage, isShown: () => Boolean(host?.isConnected) };
  wire(document);
})();
