// The logged-in session of this browser: its tokens, kept in localStorage and shared by its tabs.

import { request } from './api.js';

const KEY = 'imapp.session';
/** Seconds before its end at which a token is no longer used. */
const MARGIN = 20;

export const session = { read, start, end, accessToken, refresh, refreshNow, onEnded };

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}

/** Keep what the server answered to a login, a registration or a refresh. */
function start({ user, access_token, refresh_token, expires_in }) {
  const kept = { user, access_token, refresh_token, expires_at: Date.now() + expires_in * 1000 };
  localStorage.setItem(KEY, JSON.stringify(kept));
  return kept;
}

function end() {
  localStorage.removeItem(KEY);
}

/** An access token that is still good for a while; throws when the session has ended. */
async function accessToken() {
  const kept = read();
  if (!kept) throw sessionEnded();
  return kept.expires_at - MARGIN * 1000 > Date.now() ? kept.access_token : refresh(kept.access_token);
}

/**
 * Replace the token `stale` and give the new one. A refresh token can be used once, so only one tab may use it:
 * whoever comes second finds the new tokens in the storage.
 */
async function refresh(stale) {
  return exclusively(async () => {
    const kept = read();
    if (!kept) throw sessionEnded();
    if (kept.access_token !== stale) return kept.access_token;
    const answer = await request('POST', '/api/auth/refresh', { refresh_token: kept.refresh_token });
    return start(answer).access_token;
  });
}

/** A new token, whatever the old one is still good for. */
function refreshNow() {
  return refresh(read()?.access_token);
}

let queue = Promise.resolve();

function exclusively(task) {
  // Web Locks span tabs but exist on https and localhost only; elsewhere this tab's calls wait for each other.
  if (navigator.locks) return navigator.locks.request(KEY, task);
  queue = queue.then(task, task);
  return queue;
}

function sessionEnded() {
  return Object.assign(new Error('The session has ended.'), { status: 401, code: 'session_revoked' });
}

/** Call `listener` when another tab logs out. */
function onEnded(listener) {
  addEventListener('storage', (event) => {
    if (event.key === KEY && event.newValue === null) listener();
  });
}
