// The stream that tells of new generations. As a shared worker it serves all pages of a browser, which has six
// connections to a server and no more; where there is no such worker a page opens it for itself while it is visible.

const LONGEST_PAUSE = 30_000; // milliseconds between two attempts

export class Stream {
  /** @param {(announcement: object) => void} onMessage is told each announcement */
  constructor(url, onMessage) {
    this.url = url;
    this.onMessage = onMessage;
    this.pause = 1000; // milliseconds
    this.open();
  }

  /** Opens it anew, so that it tells what it would tell a new page: a stream may have died without a word. */
  open() {
    this.close();
    this.source = new EventSource(this.url);
    this.source.onmessage = (event) => {
      this.pause = 1000;
      this.onMessage(JSON.parse(event.data));
    };
    this.source.onerror = () => {
      // the browser tries again by itself, unless the answer was none that it expects
      if (this.source.readyState !== EventSource.CLOSED) return;
      this.timer = setTimeout(() => this.open(), this.pause);
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
    };
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
  }
}

if ("SharedWorkerGlobalScope" in self) {
  const ports = new Set();
  let last = null;
  let stream = null;
  self.onconnect = ({ ports: [port] }) => {
    ports.add(port);
    port.onmessage = ({ data }) => {
      if (data === "check") stream.open();
      else if (data === "leave") ports.delete(port);
    };
    if (last) port.postMessage(last);
    stream ??= new Stream(`stream${self.location.search}`, (announcement) => {
      last = announcement;
      for (const one of ports) one.postMessage(announcement);
    });
  };
}
