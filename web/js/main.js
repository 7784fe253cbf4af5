// Starts the page: one client, one tree of views, and an address that follows the open conversation.

import { createClient } from './client.js';
import { loadConfig } from './config.js';
import { render, html } from './dom.js';
import { refuseFiles } from './files.js';
import { title, unreadTotal, writtenIn } from './state/selectors.js';
import { language, t } from './strings.js';
import { App } from './views/app.js';
import { Boundary } from './views/boundary.js';

/** Milliseconds for which a notice is shown. */
const NOTICE = 5_000;

const root = document.getElementById('app');
const client = createClient({ show });
const { store, actions } = client;
let drawn = false;

/**
 * The address names the open conversation: #/12; so the browser's Back button leads to the list. The page's own button
 * uses the same history step; otherwise the browser's would then open the conversation again.
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

/** Return the id in an address; null if it names none. */
function addressed(hash) {
  const id = Number(hash.slice(2));
  return Number.isSafeInteger(id) && id > 0 ? id : null;
}

/** The conversation that was shown last. */
let shown = null;

/**
 * When the user is removed from the open conversation, its unsent text disappears with it: a notice shows the text and
 * stays until it is closed.
 */
function wordOnGone(id) {
  const gone = shown;
  if (gone?.id !== id) return { text: t('unknown_conversation') };
  actions.keepDrafts(); // including the latest text
  const name = title(store.state, gone);
  const text = writtenIn(store.state, id);
  return text ? { text: t('removed_with_text', { name, text }), stays: true } : { text: t('removed_from', { name }) };
}

/** While the page is live it knows the whole list: do not open a conversation outside it. */
function follow() {
  const id = addressed(location.hash);
  const { open, conversations, timelines, me, link } = store.state;
  if (!me) return;
  if (id !== null && !(id in conversations)) {
    if (link !== 'live') return;
    const word = wordOnGone(id);
    leaveAddress(); // first: a dispatch calls this function again
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
  queueMicrotask(draw); // several changes in a row are rendered once
}

let noticed = null;

/** Hide a notice after a while; the notice of an ended session stays until the next log-in. */
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
