// The tab's own data over reloads. Without access to sessionStorage, a reload is a new tab.

const memory = new Map();

/** A random name of 16 bytes; randomUUID exists on https and localhost only. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function recall(key) {
  try {
    return sessionStorage.getItem(key) ?? memory.get(key) ?? null;
  } catch {
    return memory.get(key) ?? null;
  }
}

export function remember(key, value) {
  memory.set(key, value);
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // kept in memory
  }
}

/** The name of this tab. A duplicated tab inherits the name of the first one, without harm. */
export const TAB = recall('imapp.tab') ?? newId();
remember('imapp.tab', TAB);
