// Runs the cases of `morph_cases.py`, each in a frame of its own, and random pairs of documents.
import { Doubt, hasSameScripts, morph, pair, parse } from "/morph.js";

const reduce = (root) => {
  for (const one of root.querySelectorAll("noscript")) one.replaceChildren();
  return root;
};

const load = (html) =>
  new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.onload = () => resolve(frame);
    frame.srcdoc = `<!doctype html>${html}`;
    document.body.append(frame);
  });

function remember(page) {
  const live = new Map();
  const copy = document.implementation.createHTMLDocument().importNode(page.documentElement, true);
  pair(copy, page.documentElement, live);
  return [reduce(copy), live];
}

function change(from, live, html) {
  const to = reduce(parse(`<!doctype html>${html}`).documentElement);
  if (!hasSameScripts(from, to)) throw new Doubt("other scripts");
  for (const one of morph(from, to, live).removed) one.remove();
  return to;
}

/** What a page shows and holds, as text. */
function describe(page) {
  reduce(page);
  const values = [...page.querySelectorAll("input, select, textarea")].map((one) => `${one.value} ${one.checked}`);
  return [page.documentElement.outerHTML, ...values, templatesOf(page)].join("\n");
}

const templatesOf = (page) => [...page.querySelectorAll("template")].map((one) => one.innerHTML).join("\n");

export async function runCase({ before, after, act, keep, is_doubtful: isDoubtful }) {
  const frame = await load(before);
  const [w, d] = [frame.contentWindow, frame.contentDocument];
  const $ = (selector) => d.querySelector(selector);
  const [from, live] = remember(d);
  const kept = new Function("w", "d", "$", act)(w, d, $);
  let failure = isDoubtful ? "there was no doubt" : "";
  let plain = null;
  try {
    const to = change(from, live, after);
    if (!isDoubtful && !keep && !from.isEqualNode(to)) failure = `the copy is ${from.outerHTML}`;
    if (keep) {
      if (!new Function("w", "d", "$", "kept", `return ${keep}`)(w, d, $, kept)) failure = d.documentElement.outerHTML;
    } else if (!isDoubtful) {
      plain = await load(after);
      const [ours, theirs] = [describe(d), describe(plain.contentDocument)];
      if (ours !== theirs) failure = `${ours}\n--- and not ---\n${theirs}`;
    }
  } catch (error) {
    failure = error instanceof Doubt && isDoubtful ? "" : `${error.stack}`;
  }
  frame.remove();
  plain?.remove();
  return failure;
}

// A small generator of random numbers (mulberry32), so that a pair can be had again by its number
function random(seed) {
  return (most) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % most;
  };
}

const TAGS = ["div", "p", "ul", "li", "span", "b", "section", "input", "textarea", "details", "template", "svg", "table"];

function grow(choose, depth = 0) {
  let html = "";
  for (let count = choose(depth ? 4 : 6); count > 0; count--) {
    const tag = TAGS[choose(TAGS.length)];
    const id = choose(3) ? "" : ` id="i${choose(12)}"`;
    const kind = choose(3) ? "" : ` class="c${choose(3)}"`;
    if (!choose(4)) html += `text ${choose(4)}`;
    else if (!choose(12)) html += `<!-- ${choose(3)} -->`;
    else if (tag === "input") html += `<input${id} name="n${choose(4)}" value="${choose(3)}">`;
    else html += `<${tag}${id}${kind}>${depth < 4 ? grow(choose, depth + 1) : choose(5)}</${tag}>`;
  }
  return html;
}

/** The numbers of the random documents that did not become what is loaded, out of a row of changes to one page. */
export async function runRandom(seed, count) {
  const choose = random(seed);
  const frame = await load(grow(choose));
  const [from, live] = remember(frame.contentDocument);
  const failures = [];
  for (let number = 0; number < count; number++) {
    const html = grow(choose);
    const to = change(from, live, html);
    const page = reduce(frame.contentDocument.documentElement);
    const isEqual = from.isEqualNode(to) && page.isEqualNode(to) && templatesOf(page) === templatesOf(to);
    if (!isEqual) failures.push(html);
  }
  frame.remove();
  return failures;
}
