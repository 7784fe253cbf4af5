// Sends the user's read position to the server: messages that were in view, in a visible window with the focus. A
// window beside the active one may be visible for hours without being read.

import { hasUnread } from './state/selectors.js';

/** Milliseconds to wait for further messages before the mark is sent. */
const DELAY = 250;

export function createReadMarks({ store, command }) {
  let busy = false;
  /** The newest message that has been in view in one conversation. */
  let seen = { id: null, seq: 0 };

  /** The unsent read position of the open conversation: {id, seq}, or null. */
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
    /** Called by the view: whether its newest message is in view. */
    setAtEnd(value) {
      store.dispatch({ type: 'scrolled', is_at_end: value });
    },
    /** Called by the view: the newest message that has been in view. */
    setSeen(id, seq) {
      seen = { id, seq: seen.id === id ? Math.max(seen.seq, seq) : seq };
      check();
    },
  };
}

function isLookedAt() {
  return document.visibilityState === 'visible' && document.hasFocus();
}
