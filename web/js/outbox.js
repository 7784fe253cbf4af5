// Own messages and edits on their way: shown at once, sent in the order in which they were written, tried again with
// the same client_id until the server says that it has them. outbox_records.js keeps them over a reload.

import { createBackoff } from './backoff.js';
import { explain, t } from './strings.js';
import { newId } from './tab.js';

/** Milliseconds before the first and the last of many tries on a connection that stands. */
const WAITS = { first: 1_000, longest: 30_000 };
/** Broken connections after which an echo counts as what breaks them. */
const MOST_BREAKS = 3;

/** `send(echo)` gives the stored message; `stored(message, echo)` is called for each. */
export function createOutbox({ store, send, stored }) {
  const backoff = createBackoff(WAITS);
  /** client_id -> connections that broke while it was sent */
  const breaks = new Map();
  let busy = false;
  let timer;

  function add(fields) {
    const echo = { client_id: newId(), created_at: new Date().toISOString(), ...fields };
    store.dispatch({ type: 'queued', echo });
    return flush();
  }

  /** Send everything that waits, one after the other, so that the order stays as it was written. */
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

  /** What breaks each connection must not do so for ever, nor hold up what was written after it. */
  function note(echo) {
    const count = (breaks.get(echo.client_id) ?? 0) + 1;
    breaks.set(echo.client_id, count);
    if (count >= MOST_BREAKS) fail(echo, t('breaks_connection'));
  }

  function fail({ client_id }, error) {
    breaks.delete(client_id);
    store.dispatch({ type: 'send_failed', client_id, error });
  }

  /** Also after a late answer: the connection stands, so no new one will flush. */
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
