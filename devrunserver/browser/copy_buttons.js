// The copy buttons of the error page. Without JavaScript they stay hidden, and the text can be selected.

const TOLD = 1500; // milliseconds for which a button says what it did

/** Brings the buttons below an element to life. */
export function wire(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = button.dataset.copy && root.querySelector(`[data-source="${button.dataset.copy}"]`);
      const isDone = await copy(source ? source.value : button.previousElementSibling.textContent);
      button.textContent = isDone ? "Copied" : "Not copied";
      setTimeout(() => (button.textContent = label), TOLD);
    });
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // no secure context, or not allowed
  }
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  return isDone;
}
