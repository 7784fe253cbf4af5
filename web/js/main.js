// Starts the page: one client, one tree of views, the address in step with what is shown.

import { createClient } from './client.js';
import { loadConfig } from './config.js';
import { render, html } from './dom.js';
import { refuseFiles } from './files.js';
import { unreadTotal } from './state/selectors.js';
import { language, t } from './strings.js';
import { App } from './views/app.js';
import { Boundary } from './views/boundary.js';

/** Milliseconds that a notice stays. */
const NOTICE = 5_000;

const root = document.getElementById('app');
const client = createClient({ show });
const { store, actions } = client;
let drawn = false;

/** The address names the open conversation: #/12; so the browser's back button leads to the list. */
function show(id) {
  location.hash = id === null ? '#/' : `#/${id}`;
}

function follow() {
  const id = Number(location.hash.slice(2)) || null;
  const { open, conversations, timelines } = store.state;
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

function changed(state) {
  if (state.me && state.link === 'live') follow();
  if (drawn) return;
  drawn = true;
  queueMicrotask(draw); // several changes in a row are one drawing
}

let noticed = null;

/** A notice stays for a while; that the session has ended stays until somebody logs in. */
function fadeNotice({ notice, me }) {
  if (notice === noticed || !me) return;
  noticed = notice;
  if (notice) setTimeout(() => notice === noticed && store.dispatch({ type: 'noticed', text: null }), NOTICE);
}

document.documentElement.lang = language;
store.subscribe(changed);
store.subscribe(fadeNotice);
addEventListener('hashchange', follow);
refuseFiles(() => store.state.me && store.dispatch({ type: 'noticed', text: t('no_files') }));
loadConfig();
client.resume().finally(draw);
