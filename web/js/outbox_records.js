// Keeps what is unsent in the browser: one record for each message, written by the tab that sends it, removed when the
// server has it or the user discards it. What a closed or discarded tab leaves is taken over by another tab of the
// same user. When two tabs send the same record the server stores one message, since both name the same client_id.

import { TAB } from './tab.js';
import { vault } from './vault.js';

/** Milliseconds that other tabs have to say that they are there; a frozen one does not answer, which does no harm. */
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

  /** Write down what has changed in the outbox of the user. */
  store.subscribe((state, before) => {
    if (state.outbox === before.outbox || owner === null || state.me?.id !== owner || before.me?.id !== owner) return;
    const known = new Set(before.outbox);
    const left = new Set(state.outbox.map(({ client_id }) => client_id));
    for (const echo of state.outbox) if (!known.has(echo)) keep(echo);
    for (const { client_id } of before.outbox) if (!left.has(client_id)) remove(client_id);
  });

  function keep(echo) {
    vault.put(keyOf(owner, echo.client_id), { ...echo, tab: TAB }).catch(failed); // it is in memory, and sent from there
  }

  function remove(clientId) {
    vault.remove(keyOf(owner, clientId)).catch(() => {}); // it is sent once more at most
  }

  /** Take over what this tab left before it was reloaded, and what belongs to tabs that are gone. */
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
