// The unsent text of each conversation. It is stored in this browser at once, so that it survives a reload, and on the
// server for the user's other devices. A draft that this device has changed since then wins over the server's.

import { config } from './config.js';
import { recall, remember } from './tab.js';
import { vault } from './vault.js';

/** Milliseconds after a key until a draft is stored here, and without a key until it is sent to the server. */
const KEEP = 300;
const SEND = 2_000;
/** In sessionStorage: text written just before this tab was reloaded. The vault is too slow for that. */
const LAST_WORDS = 'imapp.drafts';

export function createDrafts({ store, command }) {
  /** conversation id -> the text that is not stored yet */
  const fresh = new Map();
  /** Ids of conversations with drafts that the server does not have. */
  const unsent = new Set();
  /** conversation id -> the server's draft since this device has sent one; null for none */
  const held = new Map();
  let owner = null;
  let keeping = null;
  let sending;

  addEventListener('pagehide', leave);
  store.subscribe(takeFromServer);

  function write(id, text) {
    fresh.set(id, text);
    keeping ??= setTimeout(keep, KEEP);
  }

  function leave() {
    if (owner !== null && fresh.size) remember(LAST_WORDS, JSON.stringify({ user: owner, drafts: [...fresh] }));
    keep();
  }

  /** Return the texts, each as [id, text], that this tab had no time to store; only once. */
  function lastWords(userId) {
    const kept = recall(LAST_WORDS) ?? '{}';
    remember(LAST_WORDS, '{}');
    try {
      const { user, drafts } = JSON.parse(kept);
      return user === userId ? drafts : [];
    } catch {
      return []; // broken: only the drafts of the vault are left
    }
  }

  /** Store unsaved text; also when the page is left. */
  function keep() {
    clearTimeout(keeping);
    keeping = null;
    const drafts = [...fresh];
    fresh.clear();
    if (owner === null) return;
    for (const [id, text] of drafts) if (put(id, text, false)) unsent.add(id);
    if (!unsent.size) return;
    clearTimeout(sending);
    sending = setTimeout(send, SEND);
  }

  /** Set the text and return whether it has changed. */
  function put(id, text, isSent) {
    if (written(id) === text) return false;
    store.dispatch({ type: 'drafted', id, text });
    record(id, text, isSent);
    return true;
  }

  /** Keep an empty draft too until the server has it; otherwise the server would restore the former one. */
  function record(id, text, isSent) {
    const key = ['draft', owner, id];
    const kept = text || !isSent ? vault.put(key, { id, text, isSent }) : vault.remove(key);
    kept.catch(() => {}); // it stays in memory and is sent to the server
  }

  function written(id) {
    return store.state.drafts[id] ?? '';
  }

  async function send() {
    for (const id of unsent) {
      const conversation = store.state.conversations[id];
      const text = written(id);
      if (!conversation || [...text].length > config.limits.draft_max_chars) continue;
      try {
        await sendOne(conversation, text);
      } catch (error) {
        if (!error.retryable) unsent.delete(id); // otherwise the next connection retries
      }
    }
  }

  /** Send no command for text that was sent as a message before it became a draft on the server. */
  async function sendOne({ id, draft }, text) {
    const sender = owner;
    const news = text.trim() ? text : null;
    const before = held.has(id) ? held.get(id) : draft ?? null;
    if (news !== before) await command('update_conversation', { conversation_id: id, draft: news });
    if (owner !== sender) return;
    held.set(id, news);
    if (written(id) !== text) return;
    unsent.delete(id);
    record(id, text, true);
  }

  function takeFromServer({ conversations }, before) {
    if (owner === null || conversations === before.conversations) return;
    for (const { id, draft } of Object.values(conversations)) {
      if (draft === undefined || draft === before.conversations[id]?.draft) continue;
      held.delete(id);
      if (!unsent.has(id) && !fresh.has(id)) put(id, draft ?? '', true);
    }
  }

  return {
    write,
    keep,
    /** Clear the draft that was sent as a message. */
    clear(id) {
      write(id, '');
      keep();
      send();
    },
    /** Set the message that the draft answers, or null. Stored in this browser only: the server has no field for it. */
    answer(id, message) {
      if (!message && !store.state.replies[id]) return;
      store.dispatch({ type: 'answering', id, message });
      const key = ['reply', owner, id];
      const kept = message ? vault.put(key, { id, message }) : vault.remove(key);
      kept.catch(() => {}); // it stays in memory
    },
    flush: send,
    /** Return the number of drafts that would be lost with this browser's copies. */
    async unsent() {
      keep();
      await send();
      return [...unsent].filter((id) => written(id).trim()).length;
    },
    async begin(userId) {
      owner = userId;
      const [kept, replies] = await Promise.all(['draft', 'reply'].map((kind) => vault.list([kind, userId]).catch(() => [])));
      if (owner !== userId) return;
      for (const { id, message } of replies) store.dispatch({ type: 'answering', id, message });
      for (const { id, isSent } of kept) if (!isSent) unsent.add(id);
      for (const { id, text } of kept) store.dispatch({ type: 'drafted', id, text });
      for (const [id, text] of lastWords(userId)) write(id, text);
      keep();
    },
    end() {
      keep();
      clearTimeout(sending);
      owner = null;
      unsent.clear();
      held.clear();
    },
    forget(userId) {
      remember(LAST_WORDS, '{}');
      return Promise.all(['draft', 'reply'].map((kind) => vault.removeAll([kind, userId])));
    },
  };
}
