// What the operators' page knows, and keeps fresh; and what operators do. Views read the state and call the actions.

import { createApi, request } from '../api.js';
import { createStore } from '../state/store.js';
import { session } from './session.js';
import { explain, t } from './strings.js';

const DEVICE = { name: 'Administration', platform: 'web' };
/** Milliseconds between two looks at the server. */
const EVERY = 3_000;
/** Milliseconds between two looks at the history: it gets a point a minute. */
const HISTORY_EVERY = 15_000;
/** Milliseconds that a notice stays. */
const NOTICE = 6_000;

const EMPTY = {
  me: null, notice: null, view: { name: 'overview' }, link: 'live', seenAt: null,
  nodes: [], history: null, hours: 1, users: null, query: '', cursors: [null], sessions: null, acts: null,
};

export function createAdmin() {
  const store = createStore((state, change) => ({ ...state, ...change }), EMPTY);
  const api = createApi(session, () => leave(t('session_ended')));
  const set = (change) => store.dispatch(change);
  let timer;
  let historyAt = 0;

  const load = {
    overview: () => Promise.all([loadNodes(), loadHistory()]),
    users: loadUsers,
    user: () => loadSessions(store.state.view.id),
    acts: loadActs,
  };

  async function loadNodes() {
    const { nodes } = await api.get('/api/admin/nodes');
    set({ nodes: withGone(store.state.nodes, nodes) });
  }

  async function loadHistory(force = false) {
    if (!force && Date.now() - historyAt < HISTORY_EVERY) return;
    const { hours } = store.state;
    const history = await api.get('/api/admin/history', { hours });
    if (hours !== store.state.hours) return;
    set({ history });
    // Short steps, as for a test or a trial, are to be seen as they come.
    historyAt = Date.now() - Math.max(0, HISTORY_EVERY - history.step_seconds * 1000);
  }

  async function loadUsers() {
    const { query, cursors } = store.state;
    const users = await api.get('/api/admin/users', { query: query || undefined, cursor: cursors.at(-1) });
    if (query === store.state.query && cursors === store.state.cursors) set({ users });
  }

  async function loadSessions(id) {
    const sessions = await api.get(`/api/admin/users/${id}/sessions`);
    if (id === store.state.view.id) set({ sessions });
  }

  async function loadActs() {
    const { cursors } = store.state;
    const acts = await api.get('/api/admin/acts', { cursor: cursors.at(-1) });
    if (cursors === store.state.cursors) set({ acts });
  }

  /** Fetch what is shown, now and again and again; a server that is away is asked again too. */
  async function look() {
    clearTimeout(timer);
    if (!store.state.me) return;
    try {
      if (!document.hidden) await load[store.state.view.name]();
      set({ link: 'live', seenAt: document.hidden ? store.state.seenAt : Date.now() });
    } catch (error) {
      failed(error);
    }
    clearTimeout(timer); // another look may have begun meanwhile
    if (store.state.me) timer = setTimeout(look, EVERY);
  }

  function failed(error) {
    if (error.code?.startsWith('second_factor')) leave(t('factor_again'));
    else if (error.status === 0 || error.status >= 500) set({ link: 'down' });
    else if (error.status !== 401) tell(explain(error)); // 401 has ended the session already
  }

  function tell(text) {
    const notice = { text };
    set({ notice });
    setTimeout(() => store.state.notice === notice && store.state.me && set({ notice: null }), NOTICE);
  }

  /** What went wrong stays until the operator has seen it: the next look at the server must not wipe it. */
  function warn(text) {
    set({ notice: { text, isWarning: true } });
  }

  /** Do something, say that it is done, and show what it changed; true when it succeeded. */
  async function act(task, text) {
    try {
      await task();
      tell(text);
    } catch (error) {
      if (error.status === 401 || error.code?.startsWith('second_factor')) failed(error);
      else warn(explain(error));
    }
    await look();
  }

  function begin(answer) {
    set({ ...EMPTY, view: store.state.view, me: session.start(answer).user });
    look();
  }

  function leave(text) {
    session.end();
    clearTimeout(timer);
    set({ ...EMPTY, view: store.state.view, notice: text && { text } });
  }

  addEventListener('visibilitychange', () => document.hidden || look());

  return {
    store,
    actions: {
      /** The tokens, or an error whose code says what is missing: the second factor, or its enrolment. */
      logIn: (fields) => request('POST', '/api/admin/login', { ...fields, device: DEVICE }),
      beginEnrolment: ({ account, password }) => request('POST', '/api/admin/second-factor', { account, password }),
      confirmEnrolment: (fields) => request('POST', '/api/admin/second-factor/confirm', { ...fields, device: DEVICE }),
      begin,
      async logOut() {
        await api.post('/api/auth/logout').catch(() => {}); // the tokens are forgotten here in any case
        leave(null);
      },
      setHours(hours) {
        set({ hours });
        loadHistory(true).catch(failed);
      },
      search(query) {
        set({ query, cursors: [null] });
        look();
      },
      nextPage(cursor) {
        set({ cursors: [...store.state.cursors, cursor] });
        look();
      },
      previousPage() {
        set({ cursors: store.state.cursors.slice(0, -1) });
        look();
      },
      warn,
      dismiss: () => set({ notice: null }),
      drain: (id) => act(() => api.post(`/api/admin/nodes/${id}/drain`), t('drained', { name: id })),
      endSession: (id) => act(() => api.remove(`/api/admin/sessions/${id}`), t('session_was_ended')),
      disconnect: (sid) => act(
        () => api.remove(`/api/admin/connections/${encodeURIComponent(sid)}`), t('was_disconnected'),
      ),
      disable: ({ id, username: name }) => act(
        () => api.post(`/api/admin/users/${id}/disable`), t('was_disabled', { name }),
      ),
      enable: ({ id, username: name }) => act(
        () => api.post(`/api/admin/users/${id}/enable`), t('was_enabled', { name }),
      ),
    },
    /** The address names another view. */
    show(view) {
      const { view: old, sessions } = store.state;
      if (old.name === view.name && old.id === view.id) return;
      set({ view, cursors: [null], sessions: sessions?.user.id === view.id ? sessions : null });
      look();
    },
    /** Go on with the session of this tab, if there is one. */
    resume() {
      const kept = session.read();
      if (kept) set({ me: kept.user });
      look();
    },
  };
}

/** Nodes that were there before stay in the list, as gone, until the page is loaded again. */
function withGone(known, found) {
  const gone = known.filter(({ id }) => !found.some((node) => node.id === id));
  return [...found, ...gone.map((node) => ({ ...node, state: 'gone', connections: 0, users: 0 }))]
    .sort((one, other) => one.id.localeCompare(other.id, 'en', { numeric: true }));
}
