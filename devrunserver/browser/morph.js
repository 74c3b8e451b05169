// Makes the page that is shown equal to a newer version of it, by the fewest changes.
//
// Theory of operation
// -------------------
// There are three trees. `from` is the document as the server has sent it last, `to` as it sends it now; nobody
// else touches either. The third is the page that is shown: scripts and people have changed it meanwhile. `live` leads
// from each node of `from` to its counterpart there. What differs between `from` and `to` is done in `from`, and each
// step is repeated in the page. So all that the server knows nothing of stays as it is: what was typed, what is
// scrolled, open or playing, and what scripts have added. Where a step cannot be repeated, since a script has taken a
// node away that the server wants to change, there is `Doubt`, and the page has to be loaded.
//
// Children are paired by the ids in and below them (unique ones, which both versions have), then those that are equal,
// then in order those of the same kind. The pairs that keep their order stay where they are: the longest increasing
// row of them. An element with such an id is found anywhere in the document, so it may be wrapped, or go elsewhere.
// What is left over is taken out of the page at the very end, for something in it may still be wanted.

export class Doubt extends Error {}

/**
 * The document that a text says, without the content of <noscript>: this parser would take it for elements, where one
 * that runs scripts takes it for text.
 */
export function parse(text) {
  const shown = text.replace(/(<noscript\b[^>]*>)[^]*?(<\/noscript)/gi, "$1$2");
  return new DOMParser().parseFromString(shown, "text/html");
}

/**
 * Whether both versions run the same scripts: others would have to start anew.
 * Tokens against forged requests are different in each answer, and no difference.
 */
export function hasSameScripts(from, to) {
  const scriptsOf = (root) =>
    [...root.querySelectorAll("script")].map((script) =>
      [script.type, script.getAttribute("src"), script.textContent.replace(/\b[A-Za-z0-9]{64}\b/g, "token")].join("\n"),
    );
  return scriptsOf(from).join("\n\n") === scriptsOf(to).join("\n\n");
}

/** Pairs the nodes of a tree with those of its copy. */
export function pair(copy, original, live) {
  live.set(copy, original);
  for (let one = copy.firstChild, other = original.firstChild; one && other; ) {
    pair(one, other, live);
    [one, other] = [one.nextSibling, other.nextSibling];
  }
}

/**
 * Makes the page equal to `to`.
 *
 * @param {Element} from the version that `live` knows; it is equal to `to` afterwards
 * @param {Element} to the version that is wanted
 * @param {Map<Node, Node>} live the counterparts in the page
 * @param {string} nonce what styles of the page need to be applied
 * @returns {{inserted: Element[], removed: ChildNode[]}} what is new in the page, and what is to be taken out of it
 */
export function morph(from, to, live, nonce = "") {
  const run = new Morph(from, to, live, nonce);
  run.element(from, to);
  return run.finish();
}

const isElement = (node) => node.nodeType === Node.ELEMENT_NODE;

class Morph {
  constructor(from, to, live, nonce) {
    this.root = from;
    this.live = live;
    this.page = live.get(from).ownerDocument;
    this.nonce = nonce;
    this.hasTemplates = Boolean(from.querySelector("template") || to.querySelector("template"));
    this.kept = commonIds(from, to); // elements of `from` by their ids
    this.oldIds = idsBelow(from, this.kept);
    this.newIds = idsBelow(to, this.kept);
    this.inserted = [];
    this.left = []; // nodes of `from` that nobody has wanted so far
  }

  /** The counterpart of a node, in the page. */
  of(node) {
    const found = this.live.get(node);
    if (!found?.isConnected) throw new Doubt(`${node.nodeName} is not in the page any more`);
    return found;
  }

  isEqual(old, now) {
    // the content of <template> is no child of it
    return old.isEqualNode(now) && (!this.hasTemplates || !isElement(old) || old.outerHTML === now.outerHTML);
  }

  node(old, now) {
    if (isElement(old)) this.element(old, now);
    else if (old.data !== now.data) this.of(old).data = old.data = now.data;
  }

  element(old, now) {
    if (this.isEqual(old, now) || isPermanent(old, now)) return;
    this.attributes(old, now);
    if (old.localName === "template") {
      if (old.innerHTML === now.innerHTML) return;
      for (const one of [this.of(old), old]) {
        one.content.replaceChildren(one.content.ownerDocument.importNode(now.content, true));
      }
    } else if (old !== this.root && old.localName === "turbo-frame" && this.of(old).hasAttribute("src")) {
      // what it shows is another document's
      old.replaceChildren(...[...now.childNodes].map((one) => old.ownerDocument.importNode(one, true)));
    } else if (old.localName === "select") {
      const page = this.of(old);
      const isUntouched = page.selectedIndex === chosenByDefault(page);
      this.children(old, now);
      if (isUntouched && !page.multiple) page.selectedIndex = chosenByDefault(page);
    } else {
      this.children(old, now);
    }
  }

  attributes(old, now) {
    for (const { namespaceURI, name, localName, value } of [...now.attributes]) {
      const before = old.getAttributeNS(namespaceURI, localName);
      if (before === value) continue;
      const page = this.of(old);
      if (name === "class" && before !== null && page.getAttribute("class") !== before) {
        changeClasses(page, before, value); // scripts have set others
      } else {
        page.setAttributeNS(namespaceURI, name, value);
      }
      old.setAttributeNS(namespaceURI, name, value);
    }
    for (const { namespaceURI, localName } of [...old.attributes]) {
      if (now.hasAttributeNS(namespaceURI, localName)) continue;
      this.of(old).removeAttributeNS(namespaceURI, localName);
      old.removeAttributeNS(namespaceURI, localName);
    }
  }

  children(old, now) {
    let olds = [...old.childNodes];
    let news = [...now.childNodes];
    const most = Math.min(olds.length, news.length);
    let same = 0;
    while (same < most && this.isEqual(olds[same], news[same])) same++;
    let end = 0;
    while (end < most - same && this.isEqual(olds.at(-1 - end), news.at(-1 - end))) end++;
    let next = end ? olds.at(-end) : null;
    olds = olds.slice(same, olds.length - end);
    news = news.slice(same, news.length - end);

    const matches = this.match(olds, news);
    const matched = new Set(matches);
    olds.forEach((node, index) => matched.has(index) || this.takeOut(node));
    const staying = longestIncreasing(matches);
    for (let index = news.length - 1; index >= 0; index--) {
      const match = matches[index];
      if (match === -1) {
        next = this.create(old, news[index], next);
      } else {
        if (!staying.has(match)) this.place(old, olds[match], next);
        next = olds[match];
      }
    }
    matches.forEach((match, index) => match === -1 || this.node(olds[match], news[index]));
  }

  /** For each of the new children the index of the old one that becomes it; -1: none does. */
  match(olds, news) {
    const matches = new Array(news.length).fill(-1);
    const free = new Set(olds.keys());
    const take = (index, match) => {
      matches[index] = match;
      free.delete(match);
    };
    const holders = new Map(); // which of the old children has an id in it
    olds.forEach((node, index) => this.oldIds.get(node)?.forEach((id) => holders.set(id, index)));
    news.forEach((node, index) => {
      const votes = new Map();
      for (const id of this.newIds.get(node) ?? []) {
        const holder = holders.get(id);
        if (free.has(holder)) votes.set(holder, (votes.get(holder) ?? 0) + (id === node.id ? Infinity : 1));
      }
      const fitting = [...votes].filter(([holder]) => this.fits(olds[holder], node));
      if (fitting.length) take(index, fitting.reduce((best, one) => (one[1] > best[1] ? one : best))[0]);
    });
    const alike = new Map();
    for (const index of free) {
      const key = textOf(olds[index]);
      alike.set(key, [...(alike.get(key) ?? []), index]);
    }
    news.forEach((node, index) => {
      const found = matches[index] === -1 && alike.get(textOf(node));
      if (found && found.length && this.fits(olds[found[0]], node)) take(index, found.shift());
    });
    let last = -1;
    news.forEach((node, index) => {
      if (matches[index] === -1) {
        const fitting = [...free].filter((one) => this.fits(olds[one], node));
        if (fitting.length) take(index, fitting.find((one) => one > last) ?? fitting[0]);
      }
      last = Math.max(last, matches[index]);
    });
    return matches;
  }

  /** Whether an old node may become a new one. */
  fits(old, now) {
    if (old.nodeType !== now.nodeType) return false;
    if (!isElement(old)) return true;
    if (old.localName !== now.localName || old.namespaceURI !== now.namespaceURI) return false;
    if (old.id !== now.id && (this.kept.has(old.id) || this.kept.has(now.id))) return false;
    return (IDENTITY[old.localName] ?? []).every((name) => old.getAttribute(name) === now.getAttribute(name));
  }

  /** Puts what a new node asks for before `next`: an element from elsewhere that has its id, or a new one. */
  create(parent, now, next) {
    const known = isElement(now) ? this.kept.get(now.id) : undefined;
    if (known && !known.contains(parent)) {
      this.place(parent, known, next);
      this.node(known, now);
      return known;
    }
    const isDeep = !this.newIds.get(now)?.size;
    const node = this.root.ownerDocument.importNode(now, isDeep);
    const page = this.page.importNode(now, isDeep);
    pair(node, page, this.live);
    if (isElement(page)) this.prepare(page);
    if (!isDeep) {
      // in the page first, so that what is moved into it stays connected all the time
      this.place(parent, node, next);
      for (const child of [...now.childNodes]) this.create(node, child, null);
    } else {
      this.place(parent, node, next);
    }
    return node;
  }

  prepare(page) {
    this.inserted.push(page);
    if (!this.nonce) return;
    for (const one of [page, ...page.querySelectorAll("style, link")]) one.nonce = this.nonce;
  }

  /** Puts a node before `next`, in `from` and in the page. */
  place(parent, node, next) {
    parent.insertBefore(node, next);
    const [where, what] = [this.of(parent), this.live.get(node)];
    if (!what) throw new Doubt(`${node.nodeName} has no counterpart`);
    const before = this.spot(where, node);
    if (where.moveBefore && what.isConnected) {
      try {
        where.moveBefore(what, before); // keeps focus, frames and animations
        return;
      } catch {
        // another document, or a browser with other rules
      }
    }
    where.insertBefore(what, before);
  }

  /** Before which node of the page a node goes that has got its place in `from`. */
  spot(where, node) {
    for (let one = node.nextSibling; one; one = one.nextSibling) {
      const page = this.live.get(one);
      if (page?.parentNode === where) return page;
    }
    for (let one = node.previousSibling; one; one = one.previousSibling) {
      const page = this.live.get(one);
      if (page?.parentNode === where) return page.nextSibling;
    }
    return null;
  }

  takeOut(node) {
    node.remove();
    this.left.push(node);
  }

  finish() {
    const removed = [];
    for (const node of this.left) {
      const page = this.live.get(node);
      if (this.root.contains(node)) continue; // somebody wanted it after all
      if (page?.isConnected) removed.push(page);
    }
    return { inserted: this.inserted.filter((one) => one.isConnected), removed };
  }
}

// What an element is the same by: another input is not to get what was typed into the first
const IDENTITY = {
  input: ["type", "name"],
  select: ["name"],
  textarea: ["name"],
  link: ["rel", "href"],
  script: ["type", "src"],
  meta: ["name", "property", "http-equiv"],
};

/** What is never touched, by the words of Turbo and htmx. */
function isPermanent(old, now) {
  const marks = ["data-turbo-permanent", "hx-preserve", "data-hx-preserve"];
  return old.id !== "" && old.id === now.id && marks.some((one) => old.hasAttribute(one) && now.hasAttribute(one));
}

/** Which option a list shows to whom has chosen none. */
function chosenByDefault(select) {
  const options = [...select.options];
  const said = options.findLastIndex((one) => one.defaultSelected);
  return said === -1 ? options.findIndex((one) => !one.disabled) : said;
}

function changeClasses(page, before, now) {
  const [olds, news] = [before, now].map((one) => new Set(one.split(/\s+/).filter(Boolean)));
  page.classList.remove(...[...olds].filter((one) => !news.has(one)));
  page.classList.add(...[...news].filter((one) => !olds.has(one)));
}

const textOf = (node) => (isElement(node) ? node.outerHTML : `${node.nodeType} ${node.data}`);

/** The elements of `from` by their ids, as far as both versions have an id once, on elements of one kind. */
function commonIds(from, to) {
  const [olds, news] = [from, to].map((root) => {
    const found = new Map();
    for (const one of root.querySelectorAll("[id]")) if (one.id) found.set(one.id, found.has(one.id) ? null : one);
    return found;
  });
  const isKept = ([id, one]) => one && news.get(id)?.nodeName === one.nodeName;
  return new Map([...olds].filter(isKept));
}

/** Which of these ids are on an element or below it. */
function idsBelow(root, ids) {
  const found = new Map();
  for (const holder of root.querySelectorAll("[id]")) {
    if (!ids.has(holder.id)) continue;
    for (let one = holder; one; one = one.parentElement) {
      if (!found.has(one)) found.set(one, new Set());
      found.get(one).add(holder.id);
    }
  }
  return found;
}

/** Of a row of numbers those of its longest increasing part; -1 does not count. */
function longestIncreasing(row) {
  const ends = []; // where the best part of each length ends
  const before = new Map();
  row.forEach((value, index) => {
    if (value === -1) return;
    let low = 0;
    for (let high = ends.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (row[ends[middle]] < value) low = middle + 1;
      else high = middle;
    }
    before.set(index, ends[low - 1]);
    ends[low] = index;
  });
  const found = new Set();
  for (let index = ends.at(-1); index !== undefined; index = before.get(index)) found.add(row[index]);
  return found;
}
