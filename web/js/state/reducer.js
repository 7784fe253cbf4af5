// Every change of the page's state, by name. Pure: the same state and action give the same result.

import {
  addOwnMessage, applyEvent, dropConversation, judge, patchConversation, putConversations, putUser, putUsers,
  takeReadMark,
} from './events.js';
import { addNewer, addOlder, alter, keepRecent, restartRun, startRun } from './timelines.js';

export const EMPTY = Object.freeze({
  me: null,
  link: 'down', // down, syncing or live
  epoch: null,
  cursor: null, // position in the user's own state (contacts, settings, read marks)
  conversations: {}, // id -> conversation; `last_change` is this device's position
  timelines: {}, // id -> {messages, has_more, has_newer}: see timelines.js
  recent: [], // ids of the conversations that were opened last, the latest first
  is_at_end: true, // whether the newest loaded message of the open conversation is in view
  users: {}, // id -> user
  presence: {}, // user id -> {online, last_seen_at}
  typing: {}, // conversation id -> user ids
  outbox: [], // own messages and edits (`edit_of`: id of the message) that the server has not confirmed, oldest first
  drafts: {}, // conversation id -> unsent text
  replies: {}, // conversation id -> the message that the draft answers
  request_news: 0, // number of changes of contact requests and group invitations
  notice: null, // {text, stays}: a message for the user, shown for a moment or until it is closed
  leaving: null, // number of unsent messages to confirm before logging out
  open: null, // id of the open conversation
});

const HANDLERS = {
  signed_in: (state, { user }) => ({ ...EMPTY, me: user, users: { [user.id]: user } }),
  signed_out: (_state, { notice }) => ({ ...EMPTY, notice: notice && { text: notice } }),
  forgotten: (state, { epoch }) => ({ ...state, epoch, cursor: null, conversations: {}, timelines: {} }),
  link_changed: (state, { link }) => ({ ...state, link }),
  drafted: (state, { id, text }) => ({ ...state, drafts: { ...state.drafts, [id]: text } }),
  answering: (state, { id, message }) => ({ ...state, replies: { ...state.replies, [id]: message } }),
  leave_asked: (state, { unsent }) => ({ ...state, leaving: unsent }),
  noticed: (state, { text, stays }) => ({ ...state, notice: text && { text, stays } }),
  opened: (state, { id }) => (state.open === id ? state : open({ ...state, open: id, is_at_end: true }, id)),
  scrolled: (state, { is_at_end }) => (state.is_at_end === is_at_end ? state : { ...state, is_at_end }),
  conversations_loaded: (state, { items }) => putConversations(state, items),
  conversation_gone: (state, { id }) => dropConversation(state, id),
  users_loaded: (state, { users }) => putUsers(state, users),
  presence_loaded: (state, { asked, online }) => ({
    ...state,
    presence: { ...state.presence, ...Object.fromEntries(asked.map((id) => [id, { online: online.includes(id) }])) },
  }),
  history_started: (state, { id }) => startRun(state, id),
  history_loaded: (state, { id, items, has_more }) => addOlder(state, id, items, has_more),
  newer_loaded: (state, { id, items, has_newer }) => addNewer(state, id, items, has_newer),
  history_restarted: (state, { id, run }) => restartRun(state, id, run),
  message_altered: (state, { message }) => alter(state, message),
  pushed: (state, { event, payload }) => applyEvent(state, event, payload),
  synced: applySync,
  read: takeReadMark,
  queued: (state, { echo }) => ({ ...state, outbox: [...state.outbox.filter((other) => !isReplaced(other, echo)), echo] }),
  outbox_adopted: (state, { echoes }) => ({ ...state, outbox: adopt(state.outbox, echoes) }),
  edited: (state, { message, client_id }) => alter(without(state, client_id), message),
  sent: (state, { message }) => addOwnMessage(state, message),
  send_failed: (state, { client_id, error }) => ({
    ...state, outbox: state.outbox.map((echo) => (echo.client_id === client_id ? { ...echo, error } : echo)),
  }),
  discarded: (state, { client_id }) => without(state, client_id),
};

export function reduce(state, action) {
  const handle = HANDLERS[action.type];
  if (!handle) throw new Error(`unknown action ${action.type}`);
  return handle(state, action);
}

function without(state, clientId) {
  return { ...state, outbox: state.outbox.filter((echo) => echo.client_id !== clientId) };
}

/** Of two pending edits of one message, keep only the later one. */
function isReplaced(edit, { edit_of }) {
  return edit_of !== undefined && edit.edit_of === edit_of;
}

/** Insert another tab's entries at their time of writing. */
function adopt(outbox, echoes) {
  const known = new Set(outbox.map(({ client_id }) => client_id));
  const fresh = echoes.filter(({ client_id }) => !known.has(client_id));
  return [...outbox, ...fresh].sort((one, other) => Date.parse(one.created_at) - Date.parse(other.created_at));
}

function open(state, id) {
  return id === null ? state : keepRecent(state, id);
}

/** One page of `sync`: conversations with the changes that this device missed, in order, and the user's own state. */
function applySync(state, { page }) {
  const level = page.conversations.reduce(applyConversation, state);
  const own = page.state.reduce(applyOwnState, level);
  return { ...own, cursor: page.cursor, epoch: page.epoch };
}

function applyConversation(state, item) {
  if (item.removed) return dropConversation(state, item.id);
  const caughtUp = item.changes.reduce((next, { event, ...payload }) => {
    if (judge(next, event, payload) === 'known') return next;
    const hadLeft = event === 'member_removed' && payload.user_id === state.me.id; // and is back, else it would be `removed`
    return hadLeft ? next : applyEvent(next, event, payload);
  }, state);
  return patchConversation(caughtUp, item.id, (known) => ({
    read_seq: Math.max(known.read_seq, item.read_seq),
    peer_read_seq: Math.max(known.peer_read_seq ?? 0, item.peer_read_seq ?? 0),
    last_change: Math.max(known.last_change, item.next_change),
  }));
}

/** Contacts and blocks are not shown on this page, but the users in them may be. */
function applyOwnState(state, { kind, item }) {
  if (kind === 'me' || kind === 'user') return putUser(state, item);
  if (item.user) return putUser(state, item.user);
  if (kind === 'conversation') return applyEvent(state, 'conversation_updated', { conversation: item });
  return kind === 'messages_hidden' ? applyEvent(state, kind, item) : state;
}
