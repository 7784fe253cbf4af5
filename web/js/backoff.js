// Waiting times before retries.

/** Milliseconds of the first and of the longest wait. */
const FIRST = 500;
const LONGEST = 8_000;

/**
 * Return waits that double, with full jitter, so that clients that were disconnected together do not reconnect
 * together. A wait is at least the `least` milliseconds that the server has demanded.
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
