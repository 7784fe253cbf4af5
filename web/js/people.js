// Names and presence of the people on the screen, fetched when they are first needed.

import { idOf } from './api.js';
import { named } from './state/selectors.js';

/** Milliseconds after the last typing event until a user is no longer shown as typing. */
const TYPING_ENDS = 6_000;
/** The parts of the state that name people. */
const NAMING = ['conversations', 'timelines', 'typing', 'users', 'open'];
/** Number of users in one request. */
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
      if (error.status !== 404 && error.retryable) asked.delete(id); // requested again at the next change of the state
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
    /** Fetch unknown users that are named on the screen. */
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

    /** Request the presence of all users: pushes carry changes only and may have been lost. */
    fetchPresence: () => askPresence(peers(store.state)),

    /** Request the presence of users of new or newly answered conversations: see `answering`. */
    fetchNewPresence(state, before) {
      if (state.link !== 'live' || (state.conversations === before.conversations && state.link === before.link)) return;
      const fresh = peers(state).filter((id) => !state.presence[id] && !awaited.has(id));
      const wanted = [...fresh, ...answering(state, before)];
      if (wanted.length) askPresence(wanted).catch(() => {}); // requested again with the next connection
    },

    /** Show a user as typing until no further event arrives in time. */
    expectStop(payload) {
      const key = `${payload.conversation_id} ${payload.user_id}`;
      clearTimeout(timers.get(key));
      const stop = () => store.dispatch({ type: 'pushed', event: 'user_stop_typing', payload });
      timers.set(key, setTimeout(stop, TYPING_ENDS));
    },
  };
}

/** Return the peers of newly answered conversations: the server pushes it once both users have written. */
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
