// Many official JavaScript clients in one process, which reconnect when the server tells them to, like the web page.
// Controlled by JSON lines on standard input (see client.mjs).
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const clients = [];
const report = (line) => process.stdout.write(JSON.stringify(line) + "\n");

function open({ url, tokens, websocket }) {
  tokens.forEach((token, index) => clients.push(client(url, token, index < websocket ? "websocket" : "polling")));
  return {};
}

function client(url, token, transport) {
  const socket = io(url, { auth: { token }, transports: [transport], forceNew: true, reconnectionDelay: 500,
    reconnectionDelayMax: 5_000 });
  const one = { socket, returns: 0, away: 0, left: null };
  let timer;
  socket.on("connect", () => {
    if (one.left !== null) {
      one.returns += 1;
      one.away = Math.max(one.away, Date.now() - one.left);
      one.left = null;
    }
  });
  socket.on("disconnect", () => { one.left ??= Date.now(); });
  socket.on("server_draining", ({ reconnect_after_ms }) => {
    clearTimeout(timer);
    timer = setTimeout(() => socket.disconnect().connect(), reconnect_after_ms);
  });
  return one;
}

// Return the number of connections in all and per node, of reconnects, and the longest time without one in ms.
function state() {
  const connected = clients.filter(({ socket }) => socket.connected);
  const nodes = {};
  for (const { socket } of connected) {
    const node = socket.io.engine.id.split("~")[0];
    nodes[node] = (nodes[node] ?? 0) + 1;
  }
  const returns = clients.reduce((sum, one) => sum + one.returns, 0);
  return { connected: connected.length, nodes, returns, longest_away_ms: Math.max(0, ...clients.map((c) => c.away)) };
}

// Reset the counts.
function forget() {
  for (const one of clients) Object.assign(one, { returns: 0, away: 0 });
  return {};
}

const orders = { open, state, forget };
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { order, name, ...options } = JSON.parse(line);
  try {
    report({ order, ...orders[name](options) });
  } catch (error) {
    report({ order, error: error.message });
  }
});
lines.on("close", () => process.exit(0));
