// The page's storage in this browser, for all tabs: sessions, unsent messages, drafts. It uses IndexedDB, because its
// transactions span tabs: localStorage may return old values to a tab for a moment, and writes whole values.
//
// Keys are arrays, ['outbox', 7, 'a1']: `list(['outbox', 7])` returns all values below. A connection that the browser
// has closed (iOS does so in the background) is opened again. If IndexedDB is denied, everything stays in memory until
// the page is left; `isLasting()` then resolves to false.

import { TAB } from './tab.js';

const STORE = 'session';
/** Time limit in milliseconds for opening the database: some browsers never answer. */
const OPENING = 5_000;
/** Milliseconds until a claim counts as left by a dead tab; longer than the request for new tokens. */
const CLAIM = 12_000;
/** Milliseconds between two attempts to get the claim. */
const RETRY = 50;

/** The connection, or a promise of it; null while there is none. */
let opening = null;
/** Set once IndexedDB has turned out to be denied: JSON of the key -> value. */
let memory = null;

export const vault = {
  get: (key) => transact('readonly', (store, give) => {
    store.get(key).onsuccess = ({ target }) => give(target.result ?? null);
  }),
  list: (prefix) => transact('readonly', (store, give) => {
    store.getAll(IDBKeyRange.bound(prefix, [...prefix, []])).onsuccess = ({ target }) => give(target.result);
  }),
  put: (key, value) => transact('readwrite', (store) => store.put(value, key)),
  remove: (key) => transact('readwrite', (store) => store.delete(key)),
  removeAll: (prefix) => transact('readwrite', (store) => store.delete(IDBKeyRange.bound(prefix, [...prefix, []]))),
  isLasting: () => transact('readonly', () => {}).then(() => memory === null, () => false),
};

/** Names of the claims that this page holds. */
const held = new Set();

/** Run `task` while no other tab runs one under the same name. */
export async function exclusively(name, task) {
  while (held.has(name) || !(await claim(name))) await new Promise((resolve) => setTimeout(resolve, RETRY));
  try {
    return await task();
  } finally {
    held.delete(name);
    await vault.remove(['claim', name]).catch(() => {}); // it expires
  }
}

/** Get the claim if it is free, has expired, or is this tab's own from before its reload. */
async function claim(name) {
  held.add(name);
  const isMine = await transact('readwrite', (store, give) => {
    store.get(['claim', name]).onsuccess = ({ target }) => {
      const { tab, until } = target.result ?? {};
      const isFree = tab === TAB || !(until > Date.now() && until <= Date.now() + CLAIM);
      if (isFree) store.put({ tab: TAB, until: Date.now() + CLAIM }, ['claim', name]);
      give(isFree);
    };
  }).catch((error) => {
    held.delete(name);
    throw error;
  });
  if (!isMine) held.delete(name);
  return isMine;
}

/** Run `use(store, give)` in one transaction; return the given value when the transaction is complete. */
async function transact(mode, use) {
  try {
    return await attempt(mode, use);
  } catch (error) {
    if (error?.name === 'QuotaExceededError') throw error;
    opening = null; // the connection is dead: retry once on a new one
    return attempt(mode, use);
  }
}

async function attempt(mode, use) {
  const database = await open();
  if (memory) return useMemory(use);
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode);
    let result;
    use(transaction.objectStore(STORE), (value) => { result = value; });
    transaction.oncomplete = () => resolve(result);
    transaction.onabort = () => reject(transaction.error ?? new DOMException('The transaction was aborted.', 'AbortError'));
  });
}

/** Whether this page has ever opened the database: a later failure is not a denial. */
let wasOpen = false;

function open() {
  opening ??= connect().catch((error) => {
    opening = null;
    if (wasOpen) throw error;
    memory ??= new Map();
  });
  return opening;
}

function connect() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('imapp', 1); // throws if access is denied, which rejects the promise
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      wasOpen = true;
      request.result.onclose = () => { opening = null; };
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    setTimeout(() => reject(new DOMException('The browser does not open its database.', 'TimeoutError')), OPENING);
  });
}

/** The part of an object store that this module uses, over `memory`. */
function useMemory(use) {
  let result;
  use(MEMORY_STORE, (value) => { result = value; });
  return result;
}

const nameOf = (key) => JSON.stringify(key);
const below = ({ lower }) => [...memory].filter(([name]) => name.startsWith(nameOf(lower).slice(0, -1)));
const MEMORY_STORE = {
  get: (key) => answer(memory.get(nameOf(key))),
  getAll: (range) => answer(below(range).map(([, value]) => value)),
  put: (value, key) => { memory.set(nameOf(key), value); },
  delete(key) {
    if (!(key instanceof IDBKeyRange)) memory.delete(nameOf(key));
    else for (const [name] of below(key)) memory.delete(name);
  },
};

/** Return an answered request: it calls `onsuccess` at once when that is set. */
function answer(result) {
  return { set onsuccess(take) { take({ target: { result } }); } };
}
