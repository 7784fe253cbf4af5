// The logged-in session of this browser: its tokens, shared by its tabs.

import { request } from './api.js';
import { exclusively, vault } from './vault.js';

const KEY = 'tokens';
/** Seconds before its end at which a token is no longer used. */
const MARGIN = 20;

const channel = new BroadcastChannel('imapp.session');
/** What this tab knows; another tab may have refreshed since. */
let kept = null;

export const session = { load, read, start, end, accessToken, refresh, refreshNow, onEnded };

/** Take up what the last visit left; gives it, or null. */
async function load() {
  kept = await vault.get(KEY);
  return kept;
}

function read() {
  return kept;
}

/** Keep what the server answered to a login, a registration or a refresh. */
async function start({ user, access_token, refresh_token, expires_in }) {
  kept = { user, access_token, refresh_token, expires_at: Date.now() + expires_in * 1000 };
  await vault.put(KEY, kept);
  return kept;
}

/** Forget the session, in all tabs. */
async function end() {
  kept = null;
  await vault.remove(KEY);
  channel.postMessage('ended');
}

/** An access token that is still good for a while; throws when the session has ended. */
async function accessToken() {
  if (!kept) throw sessionEnded();
  return kept.expires_at - MARGIN * 1000 > Date.now() ? kept.access_token : refresh(kept.access_token);
}

/** A new token, whatever the old one is still good for. */
async function refreshNow() {
  return refresh(kept?.access_token);
}

/**
 * Replace the token `stale` and give the new one. A refresh token can be used once, so only one tab may use it:
 * whoever comes second takes the new tokens from the vault.
 */
function refresh(stale) {
  return exclusively(async () => {
    if (!await load()) throw sessionEnded();
    if (kept.access_token !== stale) return kept.access_token;
    const answer = await request('POST', '/api/auth/refresh', { refresh_token: kept.refresh_token });
    return (await start(answer)).access_token;
  });
}

function sessionEnded() {
  return Object.assign(new Error('The session has ended.'), { status: 401, code: 'session_revoked' });
}

/** Call `listener` when another tab has ended the session. */
function onEnded(listener) {
  channel.onmessage = () => {
    kept = null;
    listener();
  };
}
