// The state of the operators' page, its refresh, and the operators' acts. Views read the state and call the actions.

import { createApi, request } from '../api.js';
import { createStore } from '../state/store.js';
import { session } from './session.js';
import { explain, t } from './strings.js';

const DEVICE = { name: 'Administration', platform: 'web' };
/** Milliseconds between two refreshes. */
const EVERY = 3_000;
/** Milliseconds between two refreshes of the history, which gets one point a minute. */
const HISTORY_EVERY = 15_000;
/** Milliseconds for which a notice is shown. */
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
    // Show short steps, as in tests, as soon as they arrive.
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

  /** Fetch the displayed data now and repeatedly, even if the server does not answer. */
  async function look() {
    clearTimeout(timer);
    if (!store.state.me) return;
    try {
      if (!document.hidden) await load[store.state.view.name]();
      set({ link: 'live', seenAt: document.hidden ? store.state.seenAt : Date.now() });
    } catch (error) {
      failed(error);
    }
    clearTimeout(timer); // another refresh may have begun meanwhile
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

  /** An error stays until the operator has seen it: the next refresh must not remove it. */
  function warn(text) {
    set({ notice: { text, isWarning: true } });
  }

  /** Run an act, show that it is done, and refresh; return true if it succeeded. */
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
      /** Return the tokens, or throw an error with a code for the missing part: the second factor, or its enrolment. */
      logIn: (fields) => request('POST', '/api/admin/login', { ...fields, device: DEVICE }),
      beginEnrolment: ({ account, password }) => request('POST', '/api/admin/second-factor', { account, password }),
      confirmEnrolment: (fields) => request('POST', '/api/admin/second-factor/confirm', { ...fields, device: DEVICE }),
      begin,
      async logOut() {
        await api.post('/api/auth/logout').catch(() => {}); // the tokens are removed here in any case
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
    /** Show another view after a change of the address. */
    show(view) {
      const { view: old, sessions } = store.state;
      if (old.name === view.name && old.id === view.id) return;
      set({ view, cursors: [null], sessions: sessions?.user.id === view.id ? sessions : null });
      look();
    },
    /** Continue the session of this tab, if there is one. */
    resume() {
      const kept = session.read();
      if (kept) set({ me: kept.user });
      look();
    },
  };
}

/** Keep earlier nodes in the list, marked as gone, until the page is loaded again. */
function withGone(known, found) {
  const gone = known.filter(({ id }) => !found.some((node) => node.id === id));
  return [...found, ...gone.map((node) => ({ ...node, state: 'gone', connections: 0, users: 0 }))]
    .sort((one, other) => one.id.localeCompare(other.id, 'en', { numeric: true }));
}
