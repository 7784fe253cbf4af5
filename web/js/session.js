// The logged-in session of this tab. Each log-in is a separate account in the browser's vault, shared by the tabs that
// use it. A tab keeps its account for its lifetime, independent of other tabs. A new tab takes the account that was
// used last.

import { request } from './api.js';
import { newId, recall, remember } from './tab.js';
import { exclusively, vault } from './vault.js';

/** In sessionStorage: the key of this tab's account, or NOBODY once it has ended. */
const ACCOUNT = 'imapp.account';
const NOBODY = 'nobody';
/** A token is not used in its last seconds; this is their number. */
const MARGIN = 20;
/** Time limit in milliseconds of the request for new tokens; shorter than the vault's claim. */
const TIMEOUT = 10_000;

const channel = new BroadcastChannel('imapp.session');
/** This tab's copy of its account; another tab may have refreshed the tokens since. */
let kept = null;
/** Whether the vault has the account: a full disk must not log the user out. */
let isStored = true;

export const session = { load, read, start, end, others, isLasting, accessToken, refresh, refreshNow, onEnded };

/** Restore the account of this tab, or of the last visit in a new tab; return it, or null. */
async function load() {
  const key = recall(ACCOUNT);
  kept = key === null ? latest(await accounts()) : await vault.get(keyOf(key));
  if (kept) remember(ACCOUNT, kept.key);
  else if (key !== null) remember(ACCOUNT, NOBODY); // its session ended while this tab was closed
  return kept;
}

function accounts() {
  return vault.list(['account']);
}

function latest(all) {
  return all.reduce((best, one) => (best?.used_at > one.used_at ? best : one), null);
}

function keyOf(key) {
  return ['account', key];
}

function read() {
  return kept;
}

/** Return whether the log-in survives this page. */
async function isLasting() {
  return isStored && vault.isLasting();
}

/** Return the other logged-in accounts of this browser. */
async function others() {
  return (await accounts()).filter(({ key }) => key !== kept?.key);
}

/** Store the server's answer to a log-in or registration as the account of this tab. */
async function start(answer) {
  await keep({ key: newId(), ...taken(answer) });
  remember(ACCOUNT, kept.key);
  return kept;
}

function taken({ user, access_token, refresh_token, expires_in }) {
  const now = Date.now();
  return { user, access_token, refresh_token, expires_at: now + expires_in * 1000, used_at: now };
}

async function keep(account) {
  kept = account;
  isStored = await vault.put(keyOf(account.key), account).then(() => true, () => false);
}

/** Forget the account, in all tabs that use it. */
async function end() {
  if (!kept) return;
  const { key } = kept;
  kept = null;
  remember(ACCOUNT, NOBODY);
  channel.postMessage({ ended: key });
  await vault.remove(keyOf(key)).catch(() => {});
}

/** Return an access token that is valid for a while; throw if the session has ended. */
async function accessToken() {
  if (!kept) throw sessionEnded();
  return kept.expires_at - MARGIN * 1000 > Date.now() ? kept.access_token : refresh(kept.access_token);
}

/** Return a new token, even if the old one is still valid. */
async function refreshNow() {
  return refresh(kept?.access_token);
}

/**
 * Replace the token `stale` and return the new one. Only one tab refreshes at a time; a second tab takes the new tokens
 * from the vault. After a lost answer the retry sends the same refresh token, which the server answers again.
 */
async function refresh(stale) {
  if (!kept) throw sessionEnded();
  const { key } = kept;
  return exclusively(`refresh ${key}`, async () => {
    await reread(key);
    if (kept.access_token !== stale) return kept.access_token;
    const answer = await request('POST', '/api/auth/refresh', { refresh_token: kept.refresh_token }, null, { timeout: TIMEOUT });
    if (kept?.key !== key || answer.user.id !== kept.user.id) throw sessionEnded();
    await keep({ ...kept, ...taken(answer) });
    return kept.access_token;
  });
}

/** Take newer tokens of this account; throw if another tab has ended it, or the vault holds another user's. */
async function reread(key) {
  const stored = await vault.get(keyOf(key)) ?? (isStored ? null : kept);
  if (!stored || kept?.key !== key || stored.user.id !== kept.user.id) throw sessionEnded();
  if (stored.expires_at > kept.expires_at) kept = stored; // otherwise the vault could not store this tab's newer tokens
}

function sessionEnded() {
  return Object.assign(new Error('The session has ended.'), { status: 401, code: 'session_revoked' });
}

/** Call `listener` when another tab has ended this account's session. */
function onEnded(listener) {
  channel.onmessage = ({ data }) => {
    if (!kept || data.ended !== kept.key) return;
    kept = null;
    remember(ACCOUNT, NOBODY);
    listener();
  };
}
