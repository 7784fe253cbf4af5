// Tells the server how far the user has read: what is on the screen, at its end, in a visible window.

import { hasUnread } from './state/selectors.js';

/** Milliseconds to wait for more before the mark is sent. */
const DELAY = 250;

export function createReadMarks({ store, command }) {
  let busy = false;

  function due() {
    const { open, link, conversations, timelines, is_at_end } = store.state;
    const conversation = conversations[open];
    const isSeen = isNewestSeen(is_at_end, timelines[open]) && link === 'live';
    return isSeen && conversation && hasUnread(conversation) ? conversation : null;
  }

  function isNewestSeen(isAtEnd, timeline) {
    return isAtEnd && !timeline?.has_newer && document.visibilityState === 'visible';
  }

  async function mark() {
    const conversation = due();
    try {
      if (conversation) await send(conversation);
    } catch {
      // Nothing is lost: the mark is sent with the next change of the state, at the latest after the next sync.
    } finally {
      busy = false;
    }
  }

  async function send({ id, last_seq }) {
    const { read_seq } = await command('mark_read', { conversation_id: id, seq: last_seq });
    store.dispatch({ type: 'read', id, seq: read_seq });
  }

  function check() {
    if (busy || !due()) return;
    busy = true;
    setTimeout(mark, DELAY);
  }

  document.addEventListener('visibilitychange', check);
  return {
    check,
    /** The view says whether the newest message is in sight. */
    setAtEnd(value) {
      store.dispatch({ type: 'scrolled', is_at_end: value });
    },
  };
}
