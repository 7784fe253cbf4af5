// A place that all tabs of this browser share, for the tokens. IndexedDB, because its transactions span tabs:
// localStorage shows a tab old values for a moment, and a refresh token that is used twice ends the session.

const STORE = 'session';
/** Milliseconds after which a claim counts as left behind by a tab that is gone; longer than a request takes. */
const CLAIM = 30_000;
/** Milliseconds between two tries to get the claim. */
const RETRY = 50;

let opening;

export const vault = {
  get: (key) => transact('readonly', (store, give) => {
    store.get(key).onsuccess = ({ target }) => give(target.result ?? null);
  }),
  put: (key, value) => transact('readwrite', (store) => store.put(value, key)),
  remove: (key) => transact('readwrite', (store) => store.delete(key)),
};

/** Run `task` while no other tab runs one. */
export async function exclusively(task) {
  while (!(await claim())) await new Promise((resolve) => setTimeout(resolve, RETRY));
  try {
    return await task();
  } finally {
    await vault.remove('claim');
  }
}

function claim() {
  return transact('readwrite', (store, give) => {
    store.get('claim').onsuccess = ({ target }) => {
      const isFree = !(target.result > Date.now());
      if (isFree) store.put(Date.now() + CLAIM, 'claim');
      give(isFree);
    };
  });
}

/** Run `use(store, give)` in one transaction; what it gives is the result once the transaction is complete. */
async function transact(mode, use) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode);
    let result;
    use(transaction.objectStore(STORE), (value) => { result = value; });
    transaction.oncomplete = () => resolve(result);
    transaction.onabort = () => reject(transaction.error);
  });
}

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('imapp', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}
