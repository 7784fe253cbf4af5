// Loads pages of a conversation's history into its run of messages: older ones, newer ones, those around one message.

import { idOf } from './api.js';

/** Messages of one page. */
const PAGE = 50;

export function createHistory({ store, api }) {
  /** conversation id -> the page that is on its way */
  const loading = new Map();

  function get(id, query) {
    return api.get(`/api/conversations/${idOf(id)}/messages`, { limit: PAGE, ...query });
  }

  /** Run `task`, one at a time in a conversation. */
  async function inTurn(id, task) {
    while (loading.has(id)) await loading.get(id).catch(() => {});
    loading.set(id, task());
    try {
      await loading.get(id);
    } finally {
      loading.delete(id);
    }
  }

  /** Whether what `timeline` was when a page was asked for has been replaced since: the page no longer adjoins it. */
  function isReplaced(id, timeline) {
    const now = store.state.timelines[id];
    return !now || now.messages[0]?.seq !== timeline.messages[0]?.seq;
  }

  /** Hold the newest page; what is pushed meanwhile is kept, so that the run stays unbroken. */
  function begin(id) {
    return inTurn(id, async () => {
      const held = store.state.timelines[id];
      if (!held || held.has_newer) store.dispatch({ type: 'history_restarted', id });
      const { last_seq } = store.state.conversations[id] ?? {};
      const { items, has_more } = await get(id, {});
      const isCut = store.state.timelines[id]?.messages[0]?.seq > last_seq + 1; // hundreds came meanwhile
      if (!isCut) store.dispatch({ type: 'history_loaded', id, items, has_more });
    });
  }

  async function loadOlder(id) {
    const timeline = store.state.timelines[id];
    if (!timeline?.has_more || loading.has(id)) return;
    await inTurn(id, async () => {
      const { items, has_more } = await get(id, { before: timeline.messages[0]?.seq });
      if (!isReplaced(id, timeline)) store.dispatch({ type: 'history_loaded', id, items, has_more });
    });
  }

  async function loadNewer(id) {
    const timeline = store.state.timelines[id];
    if (!timeline?.has_newer || loading.has(id)) return;
    await inTurn(id, async () => {
      const after = timeline.messages.at(-1)?.seq ?? 0;
      const { last_seq } = store.state.conversations[id] ?? {};
      const { items, has_more } = await get(id, { after });
      if (isReplaced(id, timeline)) return;
      // A message that was pushed meanwhile is not in this page.
      const has_newer = has_more || store.state.conversations[id]?.last_seq > last_seq;
      store.dispatch({ type: 'newer_loaded', id, items, has_newer });
    });
  }

  /** Show the newest messages instead of those far above them. */
  async function toNewest(id) {
    if (store.state.timelines[id]?.has_newer) await begin(id);
  }

  /** Hold the messages around `seq`; gives whether that message is among them. */
  async function jumpTo(id, seq) {
    const holds = () => store.state.timelines[id]?.messages.some((message) => message.seq === seq) ?? false;
    if (!holds()) await inTurn(id, async () => holds() || loadAround(id, seq)); // the page before may have brought it
    return holds();
  }

  async function loadAround(id, seq) {
    const { last_seq } = store.state.conversations[id] ?? {};
    const [older, newer] = await Promise.all([get(id, { before: seq + 1 }), get(id, { after: seq })]);
    const messages = [...older.items, ...newer.items].sort((one, other) => one.seq - other.seq);
    const has_newer = newer.has_more || store.state.conversations[id]?.last_seq > last_seq;
    store.dispatch({ type: 'history_restarted', id, run: { messages, has_more: older.has_more, has_newer } });
  }

  return { begin, loadOlder, loadNewer, toNewest, jumpTo };
}
