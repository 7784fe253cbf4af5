// The official JavaScript client, controlled by JSON lines on standard input. Events and results go to standard output
// in the same form. Each order carries an `order` number that its answer repeats; events carry `event`.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

let socket = null;

const report = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const transport = () => socket.io.engine?.transport?.name ?? null;

function connect({ url, auth, ...options }) {
  socket = io(url, { auth, forceNew: true, reconnectionDelay: 100, reconnectionDelayMax: 500, ...options });
  socket.on("connect", () => {
    report({ event: "connect", payload: { transport: transport(), recovered: socket.recovered } });
    socket.io.engine.on("upgrade", (to) => report({ event: "upgrade", payload: { transport: to.name } }));
  });
  socket.on("connect_error", ({ message, data }) => report({ event: "connect_error", payload: { message, data } }));
  socket.on("disconnect", (reason) => report({ event: "disconnect", payload: { reason } }));
  socket.onAny((event, payload) => report({ event, payload }));
  return {};
}

async function emit({ command, payload, timeout }) {
  return { ack: await socket.timeout(timeout ?? 20_000).emitWithAck(command, payload) };
}

// Send a message with one client_id until the server acknowledges it; return the ack and the number of attempts.
async function sendUntilAcked(payload, timeout) {
  for (let attempts = 1; ; attempts += 1) {
    try {
      const ack = await socket.timeout(timeout).emitWithAck("send_message", payload);
      if (ack.ok) return { ack, attempts };
    } catch {
      // no ack in time: the message may or may not be stored, so the same one is sent again
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

// Send `messages` in order, at most `width` in flight at once (1: each waits for the ack of the one before).
async function burst({ messages, timeout, width }) {
  const results = new Array(messages.length);
  let next = 0;
  const worker = async () => {
    while (next < messages.length) {
      const index = next++;
      results[index] = await sendUntilAcked(messages[index], timeout ?? 1_000);
      report({ event: "burst_acked", payload: { client_id: messages[index].client_id } });
    }
  };
  await Promise.all(Array.from({ length: width ?? 1 }, worker));
  return { results };
}

const orders = {
  connect,
  emit,
  burst,
  state: () => ({ connected: socket.connected, transport: transport() }),
  disconnect: () => (socket.disconnect(), {}),
};

const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const { order, name, ...options } = JSON.parse(line);
  try {
    report({ order, ...(await orders[name](options)) });
  } catch (error) {
    report({ order, error: error.message });
  }
});
lines.on("close", () => process.exit(0));
