// Holds the page's state; the only place where it changes. Views and protocol meet here.

export function createStore(reduce, initial) {
  let state = initial;
  const listeners = new Set();

  /** A listener that throws must keep neither the others nor the sender of the action from going on. */
  function tell(listener) {
    try {
      listener(state);
    } catch (error) {
      reportError(error);
    }
  }

  return {
    get state() {
      return state;
    },
    dispatch(action) {
      const next = reduce(state, action);
      if (next === state) return;
      state = next;
      for (const listener of listeners) tell(listener);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
