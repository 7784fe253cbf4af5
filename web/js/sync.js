// How this device stays level with the server: pushes are a hint, the numbers tell what is missing, `sync` brings it.
//
// Connect, buffer what is pushed, ask `sync` with what is known, apply it, drain the buffer. Later a push whose
// `change` leaves a gap, one for an unknown conversation and `sync_required` start the same again.

import { judge } from './state/events.js';

/** Changes of one conversation asked for at once. */
const LIMIT = 200;
/** Conversations named in one request; a device that has more asks in pieces, each for a range of ids. */
const NAMED = 5_000;

/**
 * `ask(name, payload)` sends a command and gives its answer; `loadConversations()` and `loadConversation(id)` fetch
 * the list and one that is not in it over REST.
 */
export function createSync({ store, ask, loadConversations, loadConversation }) {
  let buffer = [];
  let running = false;
  let again = false;
  let listed = false;

  /** Catch up; throws when the connection breaks meanwhile. One run at a time: a second call extends the first. */
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

  /** The ranges of ids, each with at most NAMED known conversations; together they have no gap and no end. */
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
   * Ask until nothing of the piece is missing. Each piece begins at the same cursor, for the user's own state names
   * conversations of the other pieces, too; the cursor that the last piece ends at is kept.
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

  /** Fetch the conversations that this device does not know, or whose history is another one now. */
  async function meet(items) {
    for (const { id, reset, removed } of items) {
      if (reset) store.dispatch({ type: 'conversation_gone', id });
      if (!removed && !store.state.conversations[id]) await loadConversation(id);
    }
  }

  /** The database was restored from a backup: the numbers that this device has mean nothing any more. */
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
    /** Take a pushed event. */
    receive(event, payload) {
      if (running) buffer.push({ event, payload });
      else if (!apply(event, payload)) return start();
      return Promise.resolve();
    },
    /** Another user is logged in: nothing is known. */
    reset() {
      buffer = [];
      listed = false;
    },
  };
}
