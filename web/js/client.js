// Connects the parts and their listeners, from logging in to logging out.

import { createActions } from './actions.js';
import { createApi, idOf, request } from './api.js';
import { createConnection } from './connection.js';
import { createDrafts } from './drafts.js';
import { createOutbox } from './outbox.js';
import { createOutboxRecords } from './outbox_records.js';
import { createPeople } from './people.js';
import { createReadMarks } from './read_marks.js';
import { createRevocations } from './revocations.js';
import { session } from './session.js';
import { EMPTY, reduce } from './state/reducer.js';
import { createStore } from './state/store.js';
import { t } from './strings.js';
import { createSync } from './sync.js';

const DEVICE = { name: 'Web', platform: 'web' };
/** Milliseconds before a retry of catching up on an open connection. */
const PAUSE = 2_000;

/** Number of connections that `sync` may break before the client uses REST. */
const MOST_BREAKS = 3;

/** `show(id)` changes the address to a conversation's; the page calls `actions.open` after the change. */
export function createClient({ show }) {
  let syncBreaks = 0;
  const store = createStore(reduce, EMPTY);
  const api = createApi(session, ended);
  const connection = createConnection(session, { up: catchUp, down, event: receive, ended });
  const { command } = connection;
  const people = createPeople({ store, api, command });
  const readMarks = createReadMarks({ store, command });
  const sync = createSync({ store, ask, loadConversations, loadConversation });
  const outbox = createOutbox({ store, send, stored });
  const drafts = createDrafts({ store, command });
  const actions = createActions({ store, api, command, outbox, drafts, show });
  const revocations = createRevocations();
  const records = createOutboxRecords({ store, adopted: outbox.flush, failed: notKept });

  store.subscribe(people.fetchNamed);
  store.subscribe(people.fetchNewPresence);
  store.subscribe(readMarks.check);
  session.onEnded(() => leave(t('session_ended')));

  /** Use REST, which has the same size limit, for a `sync` that breaks one connection after the other. */
  async function ask(name, payload) {
    if (syncBreaks >= MOST_BREAKS) return api.post('/api/sync', payload);
    try {
      const answer = await command(name, payload);
      syncBreaks = 0;
      return answer;
    } catch (error) {
      if (error.broke) syncBreaks += 1;
      throw error;
    }
  }

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
      drafts.flush();
      records.adopt();
      outbox.flush();
      await people.fetchPresence();
    } catch {
      if (connection.connected) setTimeout(catchUp, PAUSE); // otherwise the next connection does it
    }
  }

  function receive(event, payload) {
    if (event === 'sync_required') return catchUp();
    if (event === 'user_typing') people.expectStop(payload);
    return sync.receive(event, payload).catch(catchUp);
  }

  async function send({ error: _error, created_at: _created, ...draft }) {
    if (draft.edit_of === undefined) return (await command('send_message', draft)).message;
    const { edit_of, client_id: _id, conversation_id: _conversation, ...edit } = draft;
    return (await command('edit_message', { message_id: edit_of, ...edit })).message;
  }

  function stored(message, { edit_of, client_id }) {
    if (edit_of !== undefined) return store.dispatch({ type: 'edited', message, client_id });
    store.dispatch({ type: 'sent', message });
    return receive('message_created', { message });
  }

  /** The browser cannot store data or has no space: show a notice and continue in memory. */
  function notKept() {
    store.dispatch({ type: 'noticed', text: t('not_kept') });
  }

  function down() {
    store.dispatch({ type: 'link_changed', link: 'down' });
  }

  function begin(user) {
    store.dispatch({ type: 'signed_in', user });
    records.begin(user.id);
    drafts.begin(user.id).finally(connection.open);
    session.isLasting().then((isLasting) => isLasting || notKept());
    sync.reset();
  }

  /** The server has ended the session. */
  function ended() {
    session.end();
    leave(t('session_ended'));
  }

  function leave(notice) {
    if (!store.state.me) return;
    records.end();
    drafts.end();
    connection.close();
    store.dispatch({ type: 'signed_out', notice });
  }

  /** Ask first if the server lacks some of the user's texts; with `anyway`, drop them. */
  async function logOut({ anyway = false } = {}) {
    const { me } = store.state;
    const unsent = anyway ? 0 : await unsentOf(me);
    if (unsent) return store.dispatch({ type: 'leave_asked', unsent });
    const account = session.read();
    leave(null);
    await session.end();
    if (account) revocations.owe(account);
    return forget(me.id);
  }

  /** Return the number of messages and drafts that the server does not have. */
  async function unsentOf({ id }) {
    const messages = await records.count(id).catch(() => store.state.outbox.length);
    return messages + await drafts.unsent();
  }

  /** Remove all of the user's texts, unless another log-in of the same user continues in this browser. */
  async function forget(userId) {
    const others = await session.others().catch(() => []);
    if (others.some(({ user }) => user.id === userId)) return;
    await Promise.all([records.forget(userId), drafts.forget(userId)]).catch(() => {});
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
      setSeen: readMarks.setSeen,
      register: (fields) => signIn('/api/auth/register', fields),
      logIn: ({ username, password }) => signIn('/api/auth/login', { account: username, password }),
      logOut,
      closeNotice: () => store.dispatch({ type: 'noticed', text: null }),
      stay: () => store.dispatch({ type: 'leave_asked', unsent: null }),
    },
    /** Continue the session of the last visit, if there is one. */
    async resume() {
      revocations.deliver();
      const kept = await session.load();
      if (kept) return begin(kept.user);
      const [other] = await session.others();
      if (other) store.dispatch({ type: 'noticed', text: t('other_account', { name: other.user.nickname }) });
      return undefined;
    },
  };
}
