// Own messages on their way: shown at once, sent in order, tried again with the same client_id until the server says
// that it has them. They survive a reload.

import { explain } from './strings.js';

/** Milliseconds before a message is tried again that the server was too busy to take. */
const PAUSE = 2_000;

/** `send(echo)` gives the stored message; `stored(message)` is called for each. */
export function createOutbox({ store, send, stored }) {
  let busy = false;
  let timer;

  function add(fields) {
    const echo = { client_id: newClientId(), created_at: new Date().toISOString(), ...fields };
    store.dispatch({ type: 'queued', echo });
    return flush();
  }

  /** Send everything that waits, one after the other, so that the order stays as it was written. */
  async function flush() {
    if (busy) return;
    busy = true;
    try {
      for (let echo = next(); echo; echo = next()) await deliver(echo);
    } catch (error) {
      if (error.code !== 'unreachable') wait(error.retryAfter); // else the next connection flushes
    } finally {
      busy = false;
    }
  }

  function next() {
    return store.state.outbox.find((echo) => !echo.error);
  }

  async function deliver(echo) {
    try {
      stored(await send(echo));
    } catch (error) {
      if (error.retryable) throw error;
      store.dispatch({ type: 'send_failed', client_id: echo.client_id, error: explain(error) });
    }
  }

  function wait(seconds) {
    clearTimeout(timer);
    timer = setTimeout(flush, seconds ? seconds * 1000 : PAUSE);
  }

  return {
    add,
    flush,
    retry(clientId) {
      store.dispatch({ type: 'send_failed', client_id: clientId, error: null });
      return flush();
    },
    discard(clientId) {
      store.dispatch({ type: 'discarded', client_id: clientId });
    },
  };
}

/** Keep the outbox in the browser, and give back what the last visit left. */
export function keepOutbox(store, userId) {
  const key = `imapp.outbox.${userId}`;
  const left = JSON.parse(localStorage.getItem(key) ?? '[]');
  if (left.length) store.dispatch({ type: 'outbox_restored', outbox: left });
  let kept = store.state.outbox;
  return store.subscribe(({ me, outbox }) => {
    if (me?.id !== userId || outbox === kept) return;
    kept = outbox;
    localStorage.setItem(key, JSON.stringify(outbox));
  });
}

function newClientId() {
  // randomUUID exists on https and localhost only.
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
