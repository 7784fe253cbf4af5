// Sessions that the user has ended here and the server has not confirmed: stored in the browser until it has.

import { request } from './api.js';
import { createBackoff } from './backoff.js';
import { vault } from './vault.js';

/** Milliseconds before the first retry, and the longest wait between two retries. */
const WAITS = { first: 2_000, longest: 60_000 };

export function createRevocations() {
  const backoff = createBackoff(WAITS);
  let timer;
  addEventListener('online', deliver);

  /** End the session of an account on the server, now or as soon as the server is reachable. */
  async function owe(account) {
    await vault.put(['revoke', account.key], account).catch(() => {});
    await deliver([account]);
  }

  async function deliver(known) {
    clearTimeout(timer);
    const owed = Array.isArray(known) ? known : await vault.list(['revoke']).catch(() => []);
    for (const account of owed) {
      try {
        await revoke(account);
        await vault.remove(['revoke', account.key]).catch(() => {});
      } catch {
        timer = setTimeout(deliver, backoff.next());
      }
    }
  }

  return { owe, deliver };
}

/** Treat a session that is unknown to the server as ended. */
async function revoke(account) {
  try {
    const { access_token: token } = account.expires_at > Date.now() ? account : await renewed(account);
    await request('POST', '/api/auth/logout', {}, token, { keepalive: true });
  } catch (error) {
    if (error.status !== 401) throw error;
    if (error.code === 'token_expired') await revoke({ ...account, expires_at: 0 });
  }
}

async function renewed(account) {
  const answer = await request('POST', '/api/auth/refresh', { refresh_token: account.refresh_token });
  const fresh = { ...account, ...answer, expires_at: Date.now() + answer.expires_in * 1000 };
  await vault.put(['revoke', account.key], fresh).catch(() => {});
  return fresh;
}
