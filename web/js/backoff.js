// How long to wait before something that has failed is tried again.

/** Milliseconds of the first wait, and of the longest. */
const FIRST = 500;
const LONGEST = 8_000;

/**
 * Waits that double, with full jitter, so that clients that were cut off together do not come back together; never
 * less than the `least` milliseconds that the server has asked for.
 */
export function createBackoff({ first = FIRST, longest = LONGEST } = {}) {
  let failures = 0;
  return {
    next(least = 0) {
      const most = Math.min(longest, first * 2 ** failures);
      failures += 1;
      return least + Math.random() * most;
    },
    reset() {
      failures = 0;
    },
  };
}
