// Keeps the page at the server's last generation: devrunserver has put this script into it.
//
// Theory of operation
// -------------------
// The page carries the generation that it was rendered by, and the stream tells the server's last one with the changes
// that led to it. The page acts on the difference alone, so it does not matter how often it is told, by whom, or after
// which sleep. One thing is done at a time, and nothing while nobody looks; afterwards the difference is taken again,
// to what was announced last: what came in between is never made up for. Each wait has a deadline, and what fails is
// tried again after a growing pause, so a style sheet that does not come keeps nothing else from coming.
//
// - style sheets: the new one is loaded beside the old one, which is removed then;
// - templates, translations, code: the page is asked for again and the difference is applied (`morph.js`);
// - where that is in doubt, for other files that it uses, and after a pause in which more happened than the stream
//   can tell: it is loaded, and what was typed and scrolled is restored;
// - a page that Turbo has fetched and put into this one is like any other; what a frame of Turbo's shows is asked for
//   by itself; a page that Turbo has kept and brought back is loaded, for what the server had sent of it is not known;
// - an error: `overlay.js` shows it over the page, which stays as it is until the error is mended.
//
// This script runs before every other one, so that it sees what the server has sent before scripts change it.

(() => {
  // a script may put another page with its tag into this one; one that writes the document anew ends who listens
  if (!document.dispatchEvent(new Event("devrunserver:start", { cancelable: true }))) return;
  document.addEventListener("devrunserver:start", (event) => event.preventDefault());

  const tag = document.currentScript;
  const base = new URL(".", tag.src);
  const { token, version, method } = tag.dataset;
  const fileUrl = (name) => new URL(`${name}?v=${version}`, base);

  const STORE = `devrunserver:${location.href}`;
  const OWN = "[data-devrunserver]";
  const RUNS = /^$|(java|ecma)script|^module$|^importmap$/i; // types of scripts that are no data
  const SHEET_PATIENCE = 10_000; // milliseconds for a style sheet to load: the server may be starting again
  const SILENCE = 60_000; // milliseconds after which a stream may be one that has died without a word
  const TRIES = 6; // to get to one generation, before the next announcement or look of somebody
  const FIRST_PAUSE = 250; // milliseconds between the first two of them; twice as many each time
  const EMPTY_PATIENCE = 1000; // milliseconds in which an empty style sheet is taken for one that is being written
  const LOOK_PAUSE = 50; // milliseconds between two looks at it

  let known = Number(tag.dataset.generation); // the generation that the page shows, with all the files that it uses
  let rendered = known; // the same of its document alone, which may be asked for after its style sheets
  let announced = { generation: known, since: known, changes: [] };
  let heard = Date.now(); // when the stream has told something last
  let isBusy = false;
  let isLeaving = false;
  let tried = 0; // the generation to which the last try failed
  let tries = 0; // to get there
  let again = 0; // the timer of the next one
  let overlay = null; // the module that shows an error, while it shows one
  let shown = 0; // the generation of that error
  let from = null; // the page as the server has sent it; null where that is not known
  let live = new Map(); // its counterparts in the page

  // What the server has sent

  const originals = new Map(); // attributes that scripts have changed before the page was complete
  const early = new MutationObserver(rememberAttributes);
  early.observe(document, { subtree: true, attributes: true, attributeOldValue: true });

  function rememberAttributes(records) {
    for (const { target, attributeName, oldValue } of records) {
      if (!originals.has(target)) originals.set(target, new Map());
      const attributes = originals.get(target);
      if (!attributes.has(attributeName)) attributes.set(attributeName, oldValue);
    }
  }

  /** Remembers the page as it is now. */
  function remember() {
    const { copy, counterparts } = copyOf(document.documentElement);
    live = counterparts;
    for (const script of copy.querySelectorAll("script")) {
      if (isAdded(live.get(script)) && !script.hasAttribute("async")) script.remove();
    }
    from = reduce(copy);
  }

  /** An element as the server has sent it, and for each node of that its counterpart in the page. */
  function copyOf(element) {
    const copy = document.implementation.createHTMLDocument().importNode(element, true);
    const counterparts = new Map();
    const pair = (one, other) => {
      counterparts.set(one, other);
      const attributes = originals.get(other);
      attributes?.forEach((value, name) => (value === null ? one.removeAttribute(name) : one.setAttribute(name, value)));
      for (let a = one.firstChild, b = other.firstChild; a && b; a = a.nextSibling, b = b.nextSibling) pair(a, b);
    };
    pair(copy, element);
    return { copy, counterparts };
  }

  /** Whether a script was added by another one: it is asynchronous then, as data and what is empty are in any case. */
  const isAdded = (script) => script.async && RUNS.test(script.type) && (script.src !== "" || script.text !== "");

  /** Takes out what is not to be compared: our own tag, nonces, and what is not shown where scripts run. */
  function reduce(root) {
    for (const one of root.querySelectorAll(OWN)) one.remove();
    for (const one of root.querySelectorAll("noscript")) one.replaceChildren();
    for (const one of root.querySelectorAll("[nonce]")) one.removeAttribute("nonce");
    return root;
  }

  document.addEventListener("readystatechange", () => {
    if (document.readyState !== "interactive") return; // complete, and no deferred script has run
    rememberAttributes(early.takeRecords());
    early.disconnect();
    remember();
    originals.clear();
    restore();
  });

  // Turbo tells of a page that it shows in this one before any script can change it
  let isFetched = false; // whether that is as the server has sent it, and not a snapshot, or the answer to a form
  for (const name of ["visit", "submit-end"]) document.addEventListener(`turbo:${name}`, () => (isFetched = false));
  document.addEventListener("turbo:before-fetch-response", () => (isFetched = true));
  document.addEventListener("turbo:render", () => {
    if (isFetched) remember();
    else from = null;
  });
  const frames = new WeakMap(); // what the server has sent for frames that have a source of their own
  document.addEventListener("turbo:frame-render", ({ target }) => frames.set(target, copyOf(target)));

  // What the server tells

  function hear(announcement) {
    if (announcement.generation < announced.generation) return;
    announced = announcement;
    heard = Date.now();
    act();
  }

  /** The changes between what the page shows and what the server would answer now; an error alone, while there is one. */
  function difference() {
    const { generation, since, changes } = announced;
    if (generation <= known) return [];
    const errors = changes.filter((one) => one.kind === "error");
    if (errors.length) return errors;
    if (known < since) return [{ kind: "load", files: [] }];
    return changes.filter((one) => one.generation > (one.kind === "page" ? Math.max(known, rendered) : known));
  }

  const mayAct = () => !isLeaving && !document.hidden && document.readyState !== "loading";

  async function act() {
    if (isBusy || !mayAct()) return;
    isBusy = true;
    clearTimeout(again);
    let target = 0;
    let goesOn = false;
    do {
      target = announced.generation;
      goesOn = await step(target).catch((error) => tryLater(target, error));
    } while ((goesOn || announced.generation > target) && mayAct());
    isBusy = false;
  }

  /** Does what there is to do; false where the rest has to wait for the next announcement, or is nothing. */
  async function step(generation) {
    const changes = difference();
    if (!changes.length) {
      known = Math.max(known, generation); // pages have nothing to do with what changed
      return false;
    }
    if (changes[0].kind === "error") {
      await showError(changes[0].generation);
      return false;
    }
    await hideError();
    return follow(changes, generation);
  }

  function tryLater(generation, error) {
    tries = tried === generation ? tries + 1 : 1;
    tried = generation;
    if (tries < TRIES) again = setTimeout(act, FIRST_PAUSE * 2 ** (tries - 1));
    else console.warn("devrunserver: this page does not follow the last change.", error);
    return false;
  }

  /** Brings the page to a generation; whether it is there now. */
  async function follow(changes, generation) {
    const kinds = new Set(changes.map((one) => one.kind));
    const needsLoad = kinds.has("load") || changes.some((one) => one.kind === "asset" && one.files.some(isUsed));
    if ((needsLoad || kinds.has("page")) && method && method !== "GET") {
      offerLoad();
      return false;
    }
    const detail = { generation, changes };
    const event = new CustomEvent("devrunserver:before-update", { cancelable: true, detail });
    if (!document.dispatchEvent(event)) {
      known = generation;
      return true;
    }
    const files = changes.filter((one) => one.kind === "css").flatMap((one) => one.files);
    if (needsLoad) return load("a file that it uses has changed, or more than was told");
    if (kinds.has("page") && !(await refresh(generation))) return false;
    if (files.length) await swapSheets(files, generation);
    known = Math.max(known, generation);
    document.dispatchEvent(new CustomEvent("devrunserver:update", { detail }));
    return true;
  }

  const pathOf = (url) => {
    const { origin, pathname } = new URL(url, location.href);
    return origin + pathname;
  };

  /** Whether the page is the answer of a status that says an error. */
  const isFailure = () => (performance.getEntriesByType("navigation")[0]?.responseStatus ?? 200) >= 400;

  const loaded = new Set(); // paths of all that the page has loaded; the browser's own list ends with the 250th
  const onLoaded = (list) => list.getEntries().forEach((one) => loaded.add(pathOf(one.name)));
  const observer = new PerformanceObserver(onLoaded);
  observer.observe({ type: "resource", buffered: true });

  /** Whether the page has loaded a file. */
  function isUsed(file) {
    onLoaded({ getEntries: () => observer.takeRecords() });
    return loaded.has(pathOf(file));
  }

  // Templates, translations, code

  /** Asks for the page again and applies the difference; false where it is being loaded instead. */
  async function refresh(generation) {
    const response = await ask();
    if (!response) return load("its policy forbids to ask for it");
    const isHtml = (response.headers.get("Content-Type") ?? "").startsWith("text/html");
    const text = await response.text();
    if (!response.ok && isHtml && (await showFailure(text))) return false;
    if (!response.ok || !isHtml || response.redirected) return load("the answer is another page");
    if (!from) return load("Turbo has brought it back, or it is not complete");
    const { Doubt, hasSameScripts, morph, parse } = await import(fileUrl("morph.js"));
    const parsed = parse(text);
    const sent = parsed.querySelector(OWN)?.dataset.generation;
    const to = reduce(parsed.documentElement);
    if (parsed.compatMode !== document.compatMode) return load("its doctype is another one");
    if (!hasSameScripts(from, to)) return load("its scripts are others");
    if (/<template[^>]*\sshadowroot/i.test(text)) return load("it has a declarative shadow root");
    const focused = document.activeElement;
    try {
      await settle(morph(from, to, live, tag.nonce));
    } catch (error) {
      if (!(error instanceof Doubt)) throw error;
      return load(error.message);
    }
    if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
    rendered = Math.max(rendered, generation, Number(sent ?? 0));
    window.Turbo?.cache?.clear(); // pages of the generation before
    for (const store of [localStorage, sessionStorage]) store.removeItem("htmx-history-cache");
    const loadedFrames = [...document.querySelectorAll("turbo-frame[src]")].filter(
      (one) => frames.has(one) || one.hasAttribute("complete"), // others have shown nothing yet
    );
    await Promise.all(loadedFrames.map(refreshFrame));
    return true;
  }

  /** The same for a frame of Turbo's; where that is in doubt Turbo loads it. */
  async function refreshFrame(frame) {
    try {
      const { hasSameScripts, morph, parse } = await import(fileUrl("morph.js"));
      const headers = { Accept: "text/html, application/xhtml+xml", "Turbo-Frame": frame.id };
      const signal = AbortSignal.timeout(SHEET_PATIENCE);
      const response = await fetch(frame.getAttribute("src"), { headers, cache: "reload", signal });
      const page = reduce(parse(await response.text()).documentElement);
      const to = page.querySelector(`turbo-frame#${CSS.escape(frame.id)}`);
      const { copy, counterparts } = frames.get(frame);
      if (!hasSameScripts(copy, to)) throw new Error("its scripts are others");
      for (const { name } of [...to.attributes]) to.removeAttribute(name); // they are the page's affair
      for (const { name, value } of copy.attributes) to.setAttribute(name, value);
      await settle(morph(copy, to, counterparts, tag.nonce));
    } catch {
      await frame.reload?.();
    }
  }

  /** The answer that a navigation would get; nothing where the page's policy forbids to ask. */
  async function ask() {
    const headers = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8", "X-Devrunserver": "refresh" };
    let isForbidden = false;
    const onViolation = ({ effectiveDirective }) => (isForbidden ||= effectiveDirective === "connect-src");
    document.addEventListener("securitypolicyviolation", onViolation);
    try {
      return await fetch(location.href, { headers, cache: "reload", credentials: "same-origin" });
    } catch (error) {
      await new Promise((resolve) => setTimeout(resolve)); // the event comes in a task of its own
      if (isForbidden) return null;
      throw error; // the server is gone
    } finally {
      document.removeEventListener("securitypolicyviolation", onViolation);
    }
  }

  /** Takes out of the page what is left over; style sheets not before those in their place are there. */
  async function settle({ inserted, removed }) {
    const isSheet = (one) => one.localName === "link" && one.relList.contains("stylesheet");
    const sheets = inserted.filter(isSheet);
    const later = sheets.length ? removed.filter((one) => isSheet(one) || one.localName === "style") : [];
    for (const one of removed) if (!later.includes(one)) one.remove();
    if (window.htmx?.process) inserted.forEach((one) => window.htmx.process(one));
    await Promise.all(sheets.filter((one) => one.href && !one.disabled).map(isLoaded)); // of others nothing is heard
    for (const one of later) one.remove();
  }

  /** Whether a style sheet comes, in time. Nobody tells of one that is taken out of the page or given another address. */
  const isLoaded = (link) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, SHEET_PATIENCE, false);
      for (const kind of ["load", "error"]) {
        link.addEventListener(kind, () => {
          clearTimeout(timer);
          resolve(kind === "load");
        });
      }
    });

  // Style sheets

  async function swapSheets(files, generation) {
    const asked = await Promise.all([...new Set(files.map(pathOf))].map(async (path) => [path, await awaitContent(path)]));
    const paths = new Set(asked.filter(([, isThere]) => isThere).map(([path]) => path));
    const swaps = [];
    for (const page of pages()) {
      for (const owner of page.querySelectorAll("link, style")) {
        if (!usesAny(owner, paths)) continue;
        if (owner.localName === "link") swaps.push(swap(owner, generation));
        else owner.textContent += ""; // imports again
      }
    }
    const results = await Promise.all(swaps);
    if (results.includes(false)) throw new Error(`${[...paths].join(", ")}: not loaded`);
  }

  /** Whether an element has one of these style sheets in the page, or is about to. */
  function usesAny(owner, paths) {
    if (owner.localName === "link" && !owner.relList.contains("stylesheet")) return false;
    return (owner.href && paths.has(pathOf(owner.href))) || uses(owner.sheet, paths);
  }

  /** This page, and the pages in its frames that have no script of ours. */
  function pages() {
    const found = [document];
    for (const frame of document.querySelectorAll("iframe, frame")) {
      const inner = frame.contentDocument; // null: of another origin
      if (inner && !inner.querySelector(OWN)) found.push(inner);
    }
    return found;
  }

  /**
   * Loads a file anew, for who imports it; waits for a while where it is empty: it may be about to be written.
   * False where the server has none.
   */
  async function awaitContent(path) {
    for (const end = Date.now() + EMPTY_PATIENCE; ; ) {
      const signal = AbortSignal.timeout(EMPTY_PATIENCE); // other pages may ask for the same, and the browser waits
      const response = await fetch(path, { cache: "reload", signal }).catch(() => null); // or a policy forbids it
      if (response && !response.ok) return false;
      if (!response || (await response.text().catch(() => "gone")).trim() || Date.now() > end) return true;
      await new Promise((resolve) => setTimeout(resolve, LOOK_PAUSE));
    }
  }

  /** Whether a style sheet is one of these files, or imports one. */
  function uses(sheet, paths) {
    if (!sheet) return false;
    if (sheet.href && paths.has(pathOf(sheet.href))) return true;
    try {
      return [...sheet.cssRules].some((rule) => rule instanceof CSSImportRule && uses(rule.styleSheet, paths));
    } catch {
      return false; // of another origin
    }
  }

  /** Puts a new style sheet into the place of an old one; whether it came. */
  async function swap(link, generation) {
    const url = new URL(link.href);
    url.searchParams.set("devrunserver", generation);
    if (link.disabled) {
      link.href = url; // it is loaded when it is wanted
      return true;
    }
    const fresh = link.cloneNode();
    fresh.href = url;
    link.after(fresh);
    if (!(await isLoaded(fresh))) {
      fresh.remove();
      return false;
    }
    link.remove();
    for (const [one, other] of live) if (other === link) live.set(one, fresh);
    return true;
  }

  // Loading

  /** Loads the page; what was typed and scrolled is kept. Why it had to be is said in the console afterwards. */
  function load(why) {
    isLeaving = true;
    const details = [...document.querySelectorAll("details")].map((one) => one.open);
    const fields = [...fieldsByKey()].flatMap(([key, field]) => (isChanged(field) ? [[key, valueOf(field)]] : []));
    const focused = [...fieldsByKey()].find(([, field]) => field === document.activeElement)?.[0];
    try {
      sessionStorage.setItem(STORE, JSON.stringify({ why, scroll: [scrollX, scrollY], fields, focused, details }));
    } catch {
      // the store is full, or not ours to use
    }
    location.reload();
    return false;
  }

  function restore() {
    let stored = null;
    try {
      stored = JSON.parse(sessionStorage.getItem(STORE));
    } catch {
      // as above
    }
    if (!stored || isFailure()) return; // a page that shows an error has not got these fields
    sessionStorage.removeItem(STORE);
    if (stored.why) console.debug(`devrunserver: this page was loaded again, as ${stored.why}.`);
    const fields = fieldsByKey();
    for (const [key, value] of stored.fields) if (fields.has(key)) setValue(fields.get(key), value);
    const details = document.querySelectorAll("details");
    if (details.length === stored.details.length) details.forEach((one, index) => (one.open = stored.details[index]));
    addEventListener("load", () => {
      fields.get(stored.focused)?.focus({ preventScroll: true });
      scrollTo({ left: stored.scroll[0], top: stored.scroll[1], behavior: "instant" });
    });
  }

  /** The fields of the page in which somebody may have typed, by what they are found by again. */
  function fieldsByKey() {
    const found = new Map();
    const unkept = ["password", "file", "hidden", "submit", "button", "reset", "image"];
    for (const field of document.querySelectorAll("input, textarea, select")) {
      if (unkept.includes(field.type)) continue;
      const form = [...document.forms].indexOf(field.form);
      const name = field.id || `${form}/${field.name}`;
      let number = 0;
      while (found.has(`${name}/${number}`)) number++;
      found.set(`${name}/${number}`, field);
    }
    return found;
  }

  const isBox = (field) => ["checkbox", "radio"].includes(field.type);

  function isChanged(field) {
    if (isBox(field)) return field.checked !== field.defaultChecked;
    if (field.options) return [...field.options].some((one) => one.selected !== one.defaultSelected);
    return field.value !== field.defaultValue;
  }

  function valueOf(field) {
    if (isBox(field)) return field.checked;
    return field.options ? [...field.selectedOptions].map((one) => one.value) : field.value;
  }

  function setValue(field, value) {
    if (isBox(field)) field.checked = value;
    else if (field.options) for (const one of field.options) one.selected = value.includes(one.value);
    else field.value = value;
  }

  /** A page that answers a form is not asked for again by itself: that would send the form once more. */
  function offerLoad() {
    if (document.querySelector("devrunserver-offer")) return;
    const offer = document.createElement("devrunserver-offer");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "This page has changed. Load it again? (The form is sent again.)";
    button.style.cssText = "position:fixed;z-index:2147483647;right:1em;bottom:1em;padding:.6em 1em;font:14px sans-serif";
    button.addEventListener("click", () => load("you wanted it"));
    offer.attachShadow({ mode: "open" }).append(button);
    document.documentElement.append(offer);
  }

  // Errors

  async function showError(generation) {
    if (shown === generation) return;
    overlay = await import(fileUrl("overlay.js"));
    await overlay.show();
    shown = generation;
  }

  /** Shows the error of a view over the page as it was; false where this is no page of an error. */
  async function showFailure(html) {
    if (isFailure()) return false; // the page is one itself
    const { isErrorPage, show } = (overlay = await import(fileUrl("overlay.js")));
    return isErrorPage(html) && show({ html });
  }

  async function hideError() {
    await overlay?.hide();
    overlay = null;
    shown = 0;
  }

  // The stream

  let disconnect = () => {};
  let check = () => {};
  let isAlone = false; // there is no shared worker

  function connect() {
    const url = fileUrl("stream.js");
    url.searchParams.set("token", token);
    try {
      const worker = new SharedWorker(url, { type: "module", name: "devrunserver" });
      worker.onerror = connectAlone; // the page's policy forbids it
      worker.port.onmessage = ({ data }) => hear(data);
      check = () => worker.port.postMessage("check");
      disconnect = () => {
        worker.port.postMessage("leave");
        worker.port.close();
      };
    } catch {
      connectAlone();
    }
  }

  async function connectAlone() {
    isAlone = true;
    const { Stream } = await import(fileUrl("stream.js"));
    const url = new URL(`stream?token=${token}`, base);
    let stream = null;
    check = () => (stream ? stream.open() : (stream = new Stream(url, hear)));
    disconnect = () => {
      stream?.close();
      stream = null;
    };
    if (!document.hidden) check();
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      act();
      check(); // the stream may have died while the machine slept
    } else if (isAlone) {
      disconnect(); // the browser's few connections are for those who are seen
    }
  });
  addEventListener("focus", () => Date.now() - heard > SILENCE && check()); // the same, of a page that was seen all the time
  addEventListener("online", () => check());
  addEventListener("pagehide", () => disconnect());
  addEventListener("pageshow", (event) => event.persisted && connect()); // it was kept while another one was shown
  document.addEventListener("DOMContentLoaded", () => {
    connect();
    act();
  });
})();
