// Loads pages of a conversation's history into its run of messages: older ones, newer ones, or around one message.

import { idOf } from './api.js';

/** Number of messages on one page. */
const PAGE = 50;

export function createHistory({ store, api }) {
  /** conversation id -> the page request in flight */
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

  /** Return whether the timeline was replaced since the page was requested, so that the page no longer adjoins it. */
  function isReplaced(id, timeline) {
    const now = store.state.timelines[id];
    return !now || now.messages[0]?.seq !== timeline.messages[0]?.seq;
  }

  /** Load the newest page; keep messages pushed meanwhile, so that the run stays unbroken. */
  function begin(id) {
    return inTurn(id, async () => {
      const held = store.state.timelines[id];
      if (!held || held.has_newer) store.dispatch({ type: 'history_restarted', id });
      const { last_seq } = store.state.conversations[id] ?? {};
      const { items, has_more } = await get(id, {});
      const isCut = store.state.timelines[id]?.messages[0]?.seq > last_seq + 1; // hundreds arrived meanwhile
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
      // This page lacks messages that were pushed meanwhile.
      const has_newer = has_more || store.state.conversations[id]?.last_seq > last_seq;
      store.dispatch({ type: 'newer_loaded', id, items, has_newer });
    });
  }

  /** Show the newest messages instead of much older ones. */
  async function toNewest(id) {
    if (store.state.timelines[id]?.has_newer) await begin(id);
  }

  /** Load the messages around `seq`; return whether that message is among them. */
  async function jumpTo(id, seq) {
    const holds = () => store.state.timelines[id]?.messages.some((message) => message.seq === seq) ?? false;
    if (!holds()) await inTurn(id, async () => holds() || loadAround(id, seq)); // the page before may contain it
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
