// The operator's session: its tokens exist in this tab only, and end with it.

import { request } from '../api.js';

const KEY = 'imapp.admin';
/** A token is not used in its last seconds; this is their number. */
const MARGIN = 20;

let kept = JSON.parse(sessionStorage.getItem(KEY));
/** A refresh token works once: concurrent callers wait for the same answer. */
let refreshing = null;

export const session = { read: () => kept, start, end, accessToken, refresh };

/** Store the server's answer to a log-in or a refresh. */
function start({ user, access_token, refresh_token, expires_in }) {
  kept = { user, access_token, refresh_token, expires_at: Date.now() + expires_in * 1000 };
  sessionStorage.setItem(KEY, JSON.stringify(kept));
  return kept;
}

function end() {
  kept = null;
  sessionStorage.removeItem(KEY);
}

/** Return an access token that is valid for a while. */
async function accessToken() {
  if (!kept) throw Object.assign(new Error('The session has ended.'), { status: 401, code: 'session_revoked' });
  return kept.expires_at - MARGIN * 1000 > Date.now() ? kept.access_token : refresh();
}

function refresh() {
  refreshing ??= request('POST', '/api/auth/refresh', { refresh_token: kept.refresh_token })
    .then((answer) => start(answer).access_token)
    .finally(() => { refreshing = null; });
  return refreshing;
}
