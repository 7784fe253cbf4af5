// Holds the page's state; the only place where it changes. Views and protocol meet here.

export function createStore(reduce, initial) {
  let state = initial;
  /** listener -> the state that it received last */
  const listeners = new Map();

  /**
   * Pass a listener the state and the one that it received before, so that it can find the changes. A listener that
   * throws must stop neither the other listeners nor the sender of the action.
   */
  function tell(listener) {
    const before = listeners.get(listener);
    if (before === state) return; // already notified by another listener's action
    listeners.set(listener, state);
    try {
      listener(state, before);
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
      for (const listener of listeners.keys()) tell(listener);
    },
    /** Call `listener(state, before)` after each change; return a function that unsubscribes it. */
    subscribe(listener) {
      listeners.set(listener, state);
      return () => listeners.delete(listener);
    },
  };
}
