// Starts the page: one client, one tree of views, the address in step with what is shown.

import { createClient } from './client.js';
import { loadConfig } from './config.js';
import { render, html } from './dom.js';
import { refuseFiles } from './files.js';
import { title, unreadTotal, writtenIn } from './state/selectors.js';
import { language, t } from './strings.js';
import { App } from './views/app.js';
import { Boundary } from './views/boundary.js';

/** Milliseconds that a notice stays. */
const NOTICE = 5_000;

const root = document.getElementById('app');
const client = createClient({ show });
const { store, actions } = client;
let drawn = false;

/**
 * The address names the open conversation: #/12; so the browser's back button leads to the list. Our own way back is
 * that one, too, or the browser's would then open the conversation again.
 */
function show(id) {
  if (id !== null) location.hash = `#/${id}`;
  else if (history.state?.isFromList) history.back();
  else leaveAddress();
}

function leaveAddress() {
  history.replaceState(null, '', '#/');
  if (store.state.me) actions.open(null);
}

function moved({ oldURL }) {
  const isFromList = !addressed(new URL(oldURL).hash);
  if (isFromList && addressed(location.hash)) history.replaceState({ isFromList }, '');
  follow();
}

/** The id in an address; null for any that names none. */
function addressed(hash) {
  const id = Number(hash.slice(2));
  return Number.isSafeInteger(id) && id > 0 ? id : null;
}

/** The conversation that was on the screen last. */
let shown = null;

/**
 * A conversation that one is removed from while it is open goes with what was written in it: a notice has that, and
 * stays until it is closed.
 */
function wordOnGone(id) {
  const gone = shown;
  if (gone?.id !== id) return { text: t('unknown_conversation') };
  actions.keepDrafts(); // the last words, too
  const name = title(store.state, gone);
  const text = writtenIn(store.state, id);
  return text ? { text: t('removed_with_text', { name, text }), stays: true } : { text: t('removed_from', { name }) };
}

/** The whole list is known while the page is live: what is not in it is not to be opened. */
function follow() {
  const id = addressed(location.hash);
  const { open, conversations, timelines, me, link } = store.state;
  if (!me) return;
  if (id !== null && !(id in conversations)) {
    if (link !== 'live') return;
    const word = wordOnGone(id);
    leaveAddress(); // first: a dispatch comes back here
    store.dispatch({ type: 'noticed', ...word });
    return;
  }
  shown = conversations[id] ?? null;
  if (open !== id || (id in conversations && !(id in timelines))) actions.open(id).catch(() => {});
}

function draw() {
  drawn = false;
  const unread = unreadTotal(store.state);
  document.title = unread ? `(${unread}) imapp` : 'imapp';
  render(html`
    <${Boundary} of=${store.state.open} fallback=${html`<p class="empty" role="alert">${t('page_cannot_be_shown')}</p>`}>
      <${App} state=${store.state} actions=${actions} />
    <//>`, root);
}

function changed(state, before) {
  if (before.me && !state.me) leaveAddress();
  if (state.link === 'live') follow();
  if (drawn) return;
  drawn = true;
  queueMicrotask(draw); // several changes in a row are one drawing
}

let noticed = null;

/** A notice stays for a while; that the session has ended stays until somebody logs in. */
function fadeNotice({ notice, me }) {
  if (notice === noticed || !me) return;
  noticed = notice;
  if (notice && !notice.stays) setTimeout(() => notice === noticed && store.dispatch({ type: 'noticed', text: null }), NOTICE);
}

document.documentElement.lang = language;
store.subscribe(changed);
store.subscribe(fadeNotice);
addEventListener('hashchange', moved);
refuseFiles(() => store.state.me && store.dispatch({ type: 'noticed', text: t('no_files') }));
loadConfig();
client.resume().finally(draw);
