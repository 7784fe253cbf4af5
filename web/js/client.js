// Puts the parts together: who listens to whom, from logging in to logging out.

import { createActions } from './actions.js';
import { createApi, idOf, request } from './api.js';
import { createConnection } from './connection.js';
import { createOutbox, keepOutbox } from './outbox.js';
import { createPeople } from './people.js';
import { createReadMarks } from './read_marks.js';
import { session } from './session.js';
import { EMPTY, reduce } from './state/reducer.js';
import { createStore } from './state/store.js';
import { t } from './strings.js';
import { createSync } from './sync.js';

const DEVICE = { name: 'Web', platform: 'web' };
/** Milliseconds before catching up is tried again on a connection that stands. */
const PAUSE = 2_000;

/** `show(id)` changes the address to that of a conversation; the page calls `actions.open` when it has changed. */
export function createClient({ show }) {
  const store = createStore(reduce, EMPTY);
  const api = createApi(session, ended);
  const connection = createConnection(session, { up: catchUp, down, event: receive, ended });
  const { command } = connection;
  const people = createPeople({ store, api, command });
  const readMarks = createReadMarks({ store, command });
  const sync = createSync({ store, ask: command, loadConversations, loadConversation });
  const outbox = createOutbox({ store, send, stored });
  const actions = createActions({ store, api, command, sync, outbox, show });
  let forgetOutbox = () => {};

  store.subscribe(people.fetchNamed);
  store.subscribe(people.fetchNewPresence);
  store.subscribe(readMarks.check);
  session.onEnded(() => leave(t('session_ended')));

  async function loadConversations() {
    const items = await api.all('/api/conversations', { limit: 100 });
    store.dispatch({ type: 'conversations_loaded', items });
  }

  async function loadConversation(id) {
    store.dispatch({ type: 'conversations_loaded', items: [await api.get(`/api/conversations/${idOf(id)}`)] });
  }

  async function catchUp() {
    try {
      await sync.start();
      outbox.flush();
      await people.fetchPresence();
    } catch {
      if (connection.connected) setTimeout(catchUp, PAUSE); // else the next connection does it
    }
  }

  function receive(event, payload) {
    if (event === 'sync_required') return catchUp();
    if (event === 'user_typing') people.expectStop(payload);
    return sync.receive(event, payload).catch(catchUp);
  }

  async function send({ error: _error, created_at: _created, ...draft }) {
    return (await command('send_message', draft)).message;
  }

  function stored(message) {
    store.dispatch({ type: 'sent', message });
    receive('message_created', { message });
  }

  function down() {
    store.dispatch({ type: 'link_changed', link: 'down' });
  }

  function begin(user) {
    store.dispatch({ type: 'signed_in', user });
    forgetOutbox = keepOutbox(store, user.id);
    sync.reset();
    connection.open();
  }

  /** The server has ended the session. */
  function ended() {
    session.end();
    leave(t('session_ended'));
  }

  function leave(notice) {
    if (!store.state.me) return;
    forgetOutbox();
    connection.close();
    store.dispatch({ type: 'signed_out', notice });
  }

  async function signIn(path, fields) {
    const { user } = await session.start(await request('POST', path, { ...fields, device: DEVICE }));
    begin(user);
  }

  return {
    store,
    actions: {
      ...actions,
      setAtEnd: readMarks.setAtEnd,
      register: (fields) => signIn('/api/auth/register', fields),
      logIn: ({ username, password }) => signIn('/api/auth/login', { account: username, password }),
      async logOut() {
        await api.post('/api/auth/logout').catch(() => {}); // the tokens are forgotten here in any case
        leave(null);
        await session.end();
      },
    },
    /** Go on with the session of the last visit, if there is one. */
    async resume() {
      const kept = await session.load();
      if (kept) begin(kept.user);
    },
  };
}
