// Tells the server how far the user has read: what has been in sight, in a visible window that has the focus. A window
// beside the one that is worked in is visible for hours without anybody reading it.

import { hasUnread } from './state/selectors.js';

/** Milliseconds to wait for more before the mark is sent. */
const DELAY = 250;

export function createReadMarks({ store, command }) {
  let busy = false;
  /** The newest message that has been in sight in one conversation. */
  let seen = { id: null, seq: 0 };

  /** How far the open conversation is read and the server does not know: {id, seq}, or null. */
  function due() {
    const { open, link, conversations } = store.state;
    const conversation = conversations[open];
    if (!conversation || link !== 'live' || seen.id !== open || !isLookedAt()) return null;
    const seq = Math.min(seen.seq, conversation.last_seq);
    const isNews = seq > conversation.read_seq || (hasUnread(conversation) && seq === conversation.last_seq);
    return isNews ? { id: open, seq } : null;
  }

  async function mark() {
    const read = due();
    try {
      if (read) await send(read);
    } catch {
      // Nothing is lost: the mark is sent with the next change of the state, at the latest after the next sync.
    } finally {
      busy = false;
    }
  }

  async function send({ id, seq }) {
    const { mark_version } = store.state.conversations[id];
    const answer = await command('mark_read', { conversation_id: id, seq });
    store.dispatch({ type: 'read', id, seq: answer.read_seq, mark_version });
  }

  function check() {
    if (busy || !due()) return;
    busy = true;
    setTimeout(mark, DELAY);
  }

  document.addEventListener('visibilitychange', check);
  addEventListener('focus', check);
  return {
    check,
    /** The view says whether the newest message that it holds is in sight. */
    setAtEnd(value) {
      store.dispatch({ type: 'scrolled', is_at_end: value });
    },
    /** The view says which message is the newest that has been in sight. */
    setSeen(id, seq) {
      seen = { id, seq: seen.id === id ? Math.max(seen.seq, seq) : seq };
      check();
    },
  };
}

function isLookedAt() {
  return document.visibilityState === 'visible' && document.hasFocus();
}
