// The prompt in the frames of the error page: a command goes to the server, its output comes back as text.

const root = document.querySelector("[data-consoles]");
let isTrusted = root.dataset.trusted === "yes"; // the browser has given the PIN

async function ask(parameters) {
  const url = new URL(root.dataset.consoles, location.href);
  url.search = new URLSearchParams({ __debugger__: "yes", s: root.dataset.secret, ...parameters });
  const response = await fetch(url, { credentials: "same-origin", cache: "no-store" });
  return { status: response.status, text: await response.text() };
}

/** Gives the PIN; what to say where that is not enough. */
async function givePin(pin) {
  const { status, text } = await ask({ cmd: "pinauth", pin });
  if (status !== 200) return text;
  const { auth, exhausted } = JSON.parse(text);
  isTrusted = auth;
  if (exhausted) return "Too many wrong PINs: it is locked until the server is started again.";
  return auth ? "" : "The PIN is wrong. The terminal shows it.";
}

const plain = (html) => new DOMParser().parseFromString(html, "text/html").body.textContent;

for (const console of root.querySelectorAll(".console")) {
  const [input, output] = [console.querySelector("input"), console.querySelector("output")];
  const label = () => (input.placeholder = isTrusted ? "an expression or a statement" : "the PIN that the terminal shows");
  console.hidden = false;
  console.addEventListener("toggle", label);
  console.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const typed = input.value;
    input.value = "";
    if (!isTrusted) {
      output.append(`${await givePin(typed)}\n`);
    } else {
      const { status, text } = await ask({ cmd: typed, frm: console.dataset.frame });
      if (status === 403) isTrusted = false;
      output.append(`${status === 200 ? plain(text).trimEnd() : text}\n`);
    }
    label();
  });
}
