// Names and presence of the people on the screen, fetched when they are first needed.

import { idOf } from './api.js';
import { named } from './state/selectors.js';

/** Milliseconds after which somebody who said nothing more is no longer shown as writing. */
const TYPING_ENDS = 6_000;
/** The parts of the state that name people. */
const NAMING = ['conversations', 'timelines', 'typing', 'users', 'open'];
/** Users that the server is asked for at once. */
const BATCH = 100;

export function createPeople({ store, api, command }) {
  const asked = new Set();
  const awaited = new Set();
  const timers = new Map();
  let queue = Promise.resolve();

  function forget() {
    asked.clear();
    awaited.clear();
  }

  async function fetchUser(id) {
    try {
      store.dispatch({ type: 'users_loaded', users: [await api.get(`/api/users/${idOf(id)}`)] });
    } catch (error) {
      if (error.status !== 404 && error.retryable) asked.delete(id); // asked again when the state changes next
    }
  }

  async function askPresence(ids) {
    for (const id of ids) awaited.add(id);
    for (let start = 0; start < ids.length; start += BATCH) {
      const batch = ids.slice(start, start + BATCH);
      const { user_ids } = await command('get_online_users', { user_ids: batch });
      store.dispatch({ type: 'presence_loaded', asked: batch, online: user_ids });
    }
  }

  return {
    /** Fetch whoever is named on the screen and not known. */
    fetchNamed(state, before) {
      if (!state.me) return forget();
      if (NAMING.every((part) => state[part] === before[part])) return undefined;
      for (const id of named(state)) {
        if (state.users[id] || asked.has(id)) continue;
        asked.add(id);
        queue = queue.then(() => fetchUser(id)); // one at a time: a large group is not a burst of requests
      }
      return undefined;
    },

    /** Ask who is online of everybody: pushes tell changes only, and they may have been lost. */
    fetchPresence: () => askPresence(peers(store.state)),

    /** Ask it of those with whom a conversation has begun since, or who have answered: see `answering`. */
    fetchNewPresence(state, before) {
      if (state.link !== 'live' || (state.conversations === before.conversations && state.link === before.link)) return;
      const fresh = peers(state).filter((id) => !state.presence[id] && !awaited.has(id));
      const wanted = [...fresh, ...answering(state, before)];
      if (wanted.length) askPresence(wanted).catch(() => {}); // asked for again with the next connection
    },

    /** Somebody writes: forget it when nothing more is heard. */
    expectStop(payload) {
      const key = `${payload.conversation_id} ${payload.user_id}`;
      clearTimeout(timers.get(key));
      const stop = () => store.dispatch({ type: 'pushed', event: 'user_stop_typing', payload });
      timers.set(key, setTimeout(stop, TYPING_ENDS));
    },
  };
}

/** The server tells of somebody's coming and going once both have written: the first answer may be that moment. */
function answering({ conversations, presence }, before) {
  const isAnswered = ({ id, last_message }) => {
    const earlier = before.conversations[id]?.last_message;
    return earlier && last_message && earlier.sender_id !== last_message.sender_id;
  };
  return Object.values(conversations)
    .filter((one) => one.peer_id && one !== before.conversations[one.id] && !presence[one.peer_id]?.online && isAnswered(one))
    .map(({ peer_id }) => peer_id);
}

function peers(state) {
  return Object.values(state.conversations).map(({ peer_id }) => peer_id).filter(Boolean);
}
