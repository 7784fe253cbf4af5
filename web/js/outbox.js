// The user's pending messages and edits: shown at once, sent in the order of writing, retried with the same client_id
// until the server confirms them. outbox_records.js stores them over a reload.

import { createBackoff } from './backoff.js';
import { explain, t } from './strings.js';
import { newId } from './tab.js';

/** Shortest and longest milliseconds between retries on an open connection. */
const WAITS = { first: 1_000, longest: 30_000 };
/** Number of broken connections after which an echo counts as their cause. */
const MOST_BREAKS = 3;

/** `send(echo)` returns the stored message; `stored(message, echo)` is called for each one. */
export function createOutbox({ store, send, stored }) {
  const backoff = createBackoff(WAITS);
  /** client_id -> number of connections that broke while it was sent */
  const breaks = new Map();
  let busy = false;
  let timer;

  function add(fields) {
    const echo = { client_id: newId(), created_at: new Date().toISOString(), ...fields };
    store.dispatch({ type: 'queued', echo });
    return flush();
  }

  /** Send all pending entries one after the other, which keeps the order of writing. */
  async function flush() {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    try {
      for (let echo = next(); echo; echo = next()) await deliver(echo);
    } catch (error) {
      later(error.retryAfter);
    } finally {
      busy = false;
    }
  }

  function next() {
    return store.state.outbox.find((echo) => !echo.error);
  }

  async function deliver(echo) {
    try {
      stored(await send(echo), echo);
      breaks.delete(echo.client_id);
      backoff.reset();
    } catch (error) {
      if (error.broke) note(echo);
      else if (!error.retryable) fail(echo, explain(error));
      if (error.retryable) throw error;
    }
  }

  /** Give up an entry that breaks every connection, so that it does not block later entries. */
  function note(echo) {
    const count = (breaks.get(echo.client_id) ?? 0) + 1;
    breaks.set(echo.client_id, count);
    if (count >= MOST_BREAKS) fail(echo, t('breaks_connection'));
  }

  function fail({ client_id }, error) {
    breaks.delete(client_id);
    store.dispatch({ type: 'send_failed', client_id, error });
  }

  /** Needed after a late answer too: the connection is open, so no new one will flush. */
  function later(seconds) {
    timer = setTimeout(flush, backoff.next((seconds ?? 0) * 1000));
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
