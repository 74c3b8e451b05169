// Tells the server of the page's errors, for the terminal: what is thrown and not caught, rejected promises, and what
// scripts write by `console.error`. It runs before every other script.
//
// Errors come in floods: the same one is told once a second, and no more than a handful at a time. What fails here is
// not told to anybody, or telling would be told in its turn.

(() => {
  const tag = document.currentScript;
  const url = new URL(`console?token=${tag.dataset.token}`, tag.src);

  const PAUSE = 100; // milliseconds in which messages are collected
  const MAX_MESSAGES = 10; // in one request
  const MAX_LENGTH = 500; // characters of a message
  const FORGET = 1000; // milliseconds after which the same message is told again

  let waiting = [];
  let isDropping = 0; // how many were left out
  const told = new Map(); // messages, and when each was told

  function tell(kind, message, source = "", line = 0) {
    const now = performance.now();
    const key = `${kind} ${message} ${source}:${line}`;
    if (now - (told.get(key) ?? -FORGET) < FORGET) return;
    if (told.size > MAX_MESSAGES * MAX_MESSAGES) told.clear();
    told.set(key, now);
    if (waiting.length >= MAX_MESSAGES) {
      isDropping++;
      return;
    }
    if (!waiting.length) setTimeout(send, PAUSE);
    waiting.push({ kind, message: String(message).slice(0, MAX_LENGTH), source, line, page: location.pathname });
  }

  function send() {
    const body = JSON.stringify({ messages: waiting, dropped: isDropping });
    waiting = [];
    isDropping = 0;
    fetch(url, { method: "POST", body, keepalive: true }).catch(() => {});
  }

  const textOf = (value) => {
    try {
      if (value instanceof Error) return `${value.name}: ${value.message}`;
      return typeof value === "object" ? JSON.stringify(value) : String(value);
    } catch {
      return "a value that cannot be shown";
    }
  };

  addEventListener("error", (event) => {
    if (event.message) tell("error", event.message, event.filename, event.lineno);
  });
  addEventListener("unhandledrejection", ({ reason }) => tell("rejection", textOf(reason)));
  const original = console.error;
  console.error = (...values) => {
    original.apply(console, values);
    tell("console", values.map(textOf).join(" "));
  };
})();
