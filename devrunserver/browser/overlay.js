// Shows an error over the page that is open.
//
// Theory of operation
// -------------------
// What is shown is the very page that a navigation would get: `show` takes its document apart and puts `main.error` into
// a shadow root, so that the styles of neither reach the other. The styles are adopted and no script of it runs, so a
// Content-Security-Policy of the open page does not matter.
//
// The overlay takes no focus, and touches nothing of the page but its own element beside it: `hide` leaves the page as
// it was, with what was typed meanwhile. Who closes it sees the same error no more, until another one comes.

import { wire } from "./copy_buttons.js";

const MARK = /<html[^>]*class="error-page"/;
const FALLBACK = "The project has an error. This page does not allow to show it here: the terminal tells it.";

let host = null; // the overlay's element
let shown = ""; // the document that it shows
let dismissed = ""; // the one that the user has closed
let policy; // of Trusted Types, where the browser has them

/** Whether a document is an error page of ours. */
export function isErrorPage(html) {
  return MARK.test(html.slice(0, 500));
}

/**
 * Shows the error that the server has.
 *
 * @param {{html?: string}} options `html`: the page of the error, if it is known; else the server is asked for it.
 * @returns {Promise<boolean>} whether there is one.
 */
export async function show({ html } = {}) {
  const page = html ?? (await ask());
  if (!isErrorPage(page)) return false;
  if (page === dismissed || (page === shown && host?.isConnected)) return true;
  remove();
  host = build(page);
  shown = page;
  // what is outside of a modal dialog cannot be clicked
  const modal = [...document.querySelectorAll("dialog[open]")].filter((one) => one.matches(":modal")).pop();
  (modal ?? document.documentElement).append(host);
  host.showPopover?.(); // above everything; where there is none, by its z-index
  addEventListener("keydown", onKey, true);
  return true;
}

/** The project answers again. */
export function hide() {
  dismissed = "";
  remove();
}

/** While the project does not start, every address is answered by its error. */
async function ask() {
  const headers = { Accept: "text/html", "X-Devrunserver": "overlay" };
  const response = await fetch(location.href, { headers, cache: "no-store", credentials: "same-origin" });
  return response.text();
}

function build(page) {
  const { error, style } = take(page);
  const element = document.createElement("devrunserver-overlay");
  element.setAttribute("role", "alertdialog");
  element.setAttribute("aria-label", "Error in the project");
  element.setAttribute("popover", "manual");
  element.setAttribute("data-devrunserver", ""); // no part of the page
  const root = element.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  root.adoptedStyleSheets = [sheet];
  const backdrop = document.createElement("div");
  backdrop.className = "backdrop";
  const close = document.createElement("button");
  close.type = "button";
  close.className = "close";
  close.textContent = "Close (Esc)";
  close.addEventListener("click", dismiss);
  error.prepend(close);
  backdrop.append(error);
  root.append(backdrop);
  wire(root);
  root.querySelector("h1")?.setAttribute("role", "alert");
  return element;
}

/** The part of the page that tells the error, and its style. */
function take(page) {
  try {
    const parsed = new DOMParser().parseFromString(trusted(page), "text/html");
    const error = document.importNode(parsed.querySelector("main.error"), true);
    return { error, style: parsed.querySelector("style").textContent };
  } catch {
    const error = document.createElement("main"); // Trusted Types that allow us no policy
    error.className = "error";
    error.textContent = FALLBACK;
    return { error, style: "" };
  }
}

function trusted(page) {
  policy ??= window.trustedTypes?.createPolicy("devrunserver", { createHTML: (text) => text });
  return policy ? policy.createHTML(page) : page;
}

function onKey(event) {
  if (event.key === "Escape" && host) {
    event.preventDefault();
    event.stopImmediatePropagation();
    dismiss();
  }
}

function dismiss() {
  dismissed = shown;
  remove();
}

function remove() {
  removeEventListener("keydown", onKey, true);
  host?.remove();
  host = null;
  shown = "";
}
