// Holds the page's state; the only place where it changes. Views and protocol meet here.

export function createStore(reduce, initial) {
  let state = initial;
  /** listener -> the state that it was told last */
  const listeners = new Map();

  /**
   * Tell a listener the state and the one that it was told before, so that it can see what has changed. A listener
   * that throws must keep neither the others nor the sender of the action from going on.
   */
  function tell(listener) {
    const before = listeners.get(listener);
    if (before === state) return; // another listener's action has been told already
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
    /** Call `listener(state, before)` after each change; gives a function that ends this. */
    subscribe(listener) {
      listeners.set(listener, state);
      return () => listeners.delete(listener);
    },
  };
}
