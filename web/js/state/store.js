// Holds the page's state; the only place where it changes. Views and protocol meet here.

export function createStore(reduce, initial) {
  let state = initial;
  const listeners = new Set();

  return {
    get state() {
      return state;
    },
    dispatch(action) {
      const next = reduce(state, action);
      if (next === state) return;
      state = next;
      for (const listener of listeners) listener(state);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
