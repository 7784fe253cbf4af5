// Keeps this device up to date: pushes are hints, the numbers show what is missing, `sync` fetches it.
//
// Connect, buffer pushes, call `sync` with the known positions, apply the answer, drain the buffer. Later a push
// after a gap in `change`, a push for an unknown conversation and `sync_required` start the same again.

import { judge } from './state/events.js';

/** Number of changes of one conversation in one request. */
const LIMIT = 200;
/** Number of conversations in one request; a device with more syncs in ranges of ids. */
const NAMED = 5_000;

/**
 * `ask(name, payload)` sends a command and returns its answer; `loadConversations()` and `loadConversation(id)` fetch
 * the list, and a conversation outside it, over REST.
 */
export function createSync({ store, ask, loadConversations, loadConversation }) {
  let buffer = [];
  let running = false;
  let again = false;
  let listed = false;

  /** Catch up; throw if the connection breaks meanwhile. Only one run at a time: a second call extends the first. */
  async function start() {
    again = true;
    if (running) return;
    running = true;
    store.dispatch({ type: 'link_changed', link: 'syncing' });
    try {
      while (again) await round();
      store.dispatch({ type: 'link_changed', link: 'live' });
    } finally {
      running = false;
    }
  }

  async function round() {
    again = false;
    try {
      if (!listed) await list();
      for (const piece of pieces()) await catchUp(piece);
      drain();
    } catch (error) {
      if (!again) throw error;
    }
  }

  async function list() {
    await loadConversations();
    listed = true;
  }

  /** Return ranges of ids, each with at most NAMED known conversations, without gaps and open at the end. */
  function pieces() {
    const ids = Object.keys(store.state.conversations).map(Number).sort((one, other) => one - other);
    if (ids.length <= NAMED) return [{}];
    const starts = ids.filter((_id, index) => index % NAMED === 0);
    return starts.map((first, index) => ({
      ...(index ? { first_id: first } : {}),
      ...(index < starts.length - 1 ? { last_id: starts[index + 1] - 1 } : {}),
    }));
  }

  /**
   * Sync until nothing of the range is missing. Each range begins at the same cursor, because the user's own state
   * names conversations of the other ranges too; the cursor at the end of the last range is kept.
   */
  async function catchUp(piece) {
    let { cursor } = store.state;
    const begun = cursor;
    for (let more = true; more;) {
      const answer = await ask('sync', { ...piece, ...have(piece), limit: LIMIT, ...(cursor === null ? {} : { cursor }) });
      if (isOther(answer.epoch)) return startAfresh(answer.epoch);
      await meet(answer.conversations);
      ({ cursor, more } = answer);
      store.dispatch({ type: 'synced', page: piece.last_id === undefined ? answer : { ...answer, cursor: begun } });
    }
    return undefined;
  }

  function isOther(epoch) {
    return store.state.epoch !== null && epoch !== store.state.epoch;
  }

  function have({ first_id = 0, last_id = Infinity }) {
    const known = Object.values(store.state.conversations).filter(({ id }) => id >= first_id && id <= last_id);
    return { conversations: Object.fromEntries(known.map(({ id, last_change }) => [id, last_change])) };
  }

  /** Fetch conversations that are unknown to this device or have a replaced history. */
  async function meet(items) {
    for (const { id, reset, removed } of items) {
      if (reset) store.dispatch({ type: 'conversation_gone', id });
      if (!removed && !store.state.conversations[id]) await loadConversation(id);
    }
  }

  /** The database was restored from a backup: discard this device's numbers, which are invalid now. */
  async function startAfresh(epoch) {
    store.dispatch({ type: 'forgotten', epoch });
    await list();
    again = true;
  }

  function drain() {
    const pushes = buffer;
    buffer = [];
    for (const { event, payload } of pushes) apply(event, payload);
  }

  function apply(event, payload) {
    const verdict = judge(store.state, event, payload);
    if (verdict === 'apply') store.dispatch({ type: 'pushed', event, payload });
    if (verdict === 'gap' || verdict === 'new') again = true;
    return !again;
  }

  return {
    start,
    /** Handle a pushed event. */
    receive(event, payload) {
      if (running) buffer.push({ event, payload });
      else if (!apply(event, payload)) return start();
      return Promise.resolve();
    },
    /** Forget everything, because another user is logged in. */
    reset() {
      buffer = [];
      listed = false;
    },
  };
}
