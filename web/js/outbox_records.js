// Stores unsent messages in the browser: one record for each message, written by the tab that sends it, removed when
// the server has it or the user discards it. Another tab of the same user takes over the records of a closed or
// discarded tab. When two tabs send the same record the server stores one message, since both use the same client_id.

import { TAB } from './tab.js';
import { vault } from './vault.js';

/** Milliseconds within which other tabs must answer a roll call; a frozen tab does not answer, without harm. */
const ROLL_CALL = 500;

export function createOutboxRecords({ store, adopted, failed }) {
  const channel = new BroadcastChannel('imapp.outbox');
  /** Tabs that have answered the last roll call. */
  let present = new Set();
  let owner = null;

  channel.onmessage = ({ data }) => {
    if (data.question) channel.postMessage({ here: TAB });
    if (data.here) present.add(data.here);
    if (data.left && owner !== null) adopt();
  };
  addEventListener('pagehide', () => owner !== null && channel.postMessage({ left: TAB }));

  /** Store the changes of the user's outbox. */
  store.subscribe((state, before) => {
    if (state.outbox === before.outbox || owner === null || state.me?.id !== owner || before.me?.id !== owner) return;
    const known = new Set(before.outbox);
    const left = new Set(state.outbox.map(({ client_id }) => client_id));
    for (const echo of state.outbox) if (!known.has(echo)) keep(echo);
    for (const { client_id } of before.outbox) if (!left.has(client_id)) remove(client_id);
  });

  function keep(echo) {
    vault.put(keyOf(owner, echo.client_id), { ...echo, tab: TAB }).catch(failed); // it is sent from memory
  }

  function remove(clientId) {
    vault.remove(keyOf(owner, clientId)).catch(() => {}); // at worst it is sent once more
  }

  /** Take over the records of this tab from before its reload, and those of closed tabs. */
  async function adopt() {
    const user = owner;
    try {
      const records = await vault.list(['outbox', user]);
      const living = records.some(({ tab }) => tab !== TAB) ? await callRoll() : new Set();
      const orphans = records.filter(({ tab }) => !living.has(tab)).map(({ tab: _tab, ...echo }) => echo);
      if (owner !== user || !orphans.length) return;
      store.dispatch({ type: 'outbox_adopted', echoes: orphans });
      adopted();
    } catch (error) {
      failed(error);
    }
  }

  async function callRoll() {
    present = new Set();
    channel.postMessage({ question: true });
    await new Promise((resolve) => setTimeout(resolve, ROLL_CALL));
    return present;
  }

  return {
    adopt,
    begin(userId) {
      owner = userId;
      return adopt();
    },
    end() {
      owner = null;
    },
    count: async (userId) => (await vault.list(['outbox', userId])).length,
    forget: (userId) => vault.removeAll(['outbox', userId]),
  };
}

function keyOf(userId, clientId) {
  return ['outbox', userId, clientId];
}
