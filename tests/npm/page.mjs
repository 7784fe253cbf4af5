// The web client without its views: all of web/js below them, over real connections, controlled by JSON lines on
// standard input as in client.mjs. The browser's interfaces that Node lacks are replaced by minimal ones.
import { createInterface } from "node:readline";
import WebSocket from "ws";

let base;

globalThis.WebSocket = WebSocket;
globalThis.addEventListener = () => {};
globalThis.document = { addEventListener() {}, visibilityState: "hidden" };
globalThis.reportError = (error) => process.stderr.write(`${error.stack}\n`);
globalThis.IDBKeyRange = class {
  static bound(lower) { return Object.assign(new this(), { lower }); }
};
const fetchAbsolute = globalThis.fetch;
globalThis.fetch = (path, options) => fetchAbsolute(new URL(path, base), options);
// The page is alone in its browser.
globalThis.BroadcastChannel = class { postMessage() {} };

const report = (line) => process.stdout.write(JSON.stringify(line) + "\n");
let client = null;

// Log in with existing tokens. The socket's address is read once, when the page starts.
async function begin({ url, user, token }) {
  base = url;
  globalThis.location = new URL(url);
  const { session } = await import("../../web/js/session.js");
  const { createClient } = await import("../../web/js/client.js");
  await session.start({ user, access_token: token, refresh_token: "", expires_in: 86_400 });
  client = createClient({ show: () => {} });
  await client.resume();
  return {};
}

// Open a conversation, so that its messages are kept; the page is hidden, so none is marked as read.
async function open({ id }) {
  await client.actions.open(id);
  return {};
}

function shown() {
  const { link, conversations, timelines, outbox, users } = client.store.state;
  return { link, conversations, timelines, users, unsent: outbox.length };
}

const orders = { begin, open, shown };

const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const { order, name, ...options } = JSON.parse(line);
  try {
    report({ order, ...(await orders[name](options)) });
  } catch (error) {
    report({ order, error: error.stack });
  }
});
lines.on("close", () => process.exit(0));
