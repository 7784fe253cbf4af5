// The effect of each pushed event on the state. The same functions apply the answers of `sync`.

import { listOf } from '../content.js';
import { alter, append, drop } from './timelines.js';

/** Apply one event; an event of a conversation advances `last_change`, the device's position in it. */
export function applyEvent(state, name, payload) {
  const handle = HANDLERS[name];
  const next = handle ? handle(state, payload) : state;
  const change = changeOf(payload);
  return change ? patchConversation(next, conversationIdOf(payload), (known) => ({
    last_change: Math.max(known.last_change, change),
  })) : next;
}

/** Return the conversation that an event changes, or undefined. */
export function conversationIdOf(payload) {
  return (payload.message ?? payload.conversation ?? payload).conversation_id;
}

/**
 * Return the event's change number in its conversation; undefined for events without one. `sync` gives the number
 * beside the message, which has its current content and may carry the number of a later change.
 */
export function changeOf(payload) {
  return payload.change ?? payload.message?.change;
}

/**
 * Return the treatment of a pushed event: 'apply' it, it is 'known' already, a change before it is missing ('gap'),
 * or its conversation is 'new' to this device.
 */
export function judge(state, event, payload) {
  const change = changeOf(payload);
  const isOwn = event === 'conversation_updated' && !payload.conversation.removed;
  if (!change && !isOwn) return 'apply';
  const conversation = state.conversations[conversationIdOf(payload)];
  if (!conversation) return 'new';
  if (isOwn) return 'apply';
  if (change <= conversation.last_change) return 'known';
  return change === conversation.last_change + 1 ? 'apply' : 'gap';
}

const HANDLERS = {
  message_created: (state, { message }) => addOwnMessage(state, message),
  message_edited: alterMessage,
  message_recalled: alterMessage,
  message_reacted: reactToMessage,
  message_pinned: alterMessage,
  messages_hidden: hideMessages,
  conversation_read: readConversation,
  user_typing: (state, { conversation_id, user_id }) => setTyping(state, conversation_id, user_id, true),
  user_stop_typing: (state, { conversation_id, user_id }) => setTyping(state, conversation_id, user_id, false),
  presence_changed: (state, { user_id, online, last_seen_at }) => ({
    ...state, presence: { ...state.presence, [user_id]: { online, last_seen_at } },
  }),
  conversation_updated: takeOwnSettings,
  user_updated: (state, { user }) => putUser(state, user),
  group_updated: takeGroup,
  group_dissolved: takeGroup,
  members_added: takeMemberCount,
  member_removed: removeMember,
  contact_request_created: countRequestNews,
  contact_request_updated: countRequestNews,
  join_request_created: countOwnRequestNews,
  join_request_updated: countOwnRequestNews,
};

/** Make the view of pending requests and invitations load them again. */
function countRequestNews(state) {
  return { ...state, request_news: state.request_news + 1 };
}

/** Owner and admins of a group receive all requests to join it. */
function countOwnRequestNews(state, { request }) {
  return request.user_id === state.me.id ? countRequestNews(state) : state;
}

export function patchConversation(state, id, patch) {
  const known = state.conversations[id];
  if (!known) return state;
  return { ...state, conversations: { ...state.conversations, [id]: { ...known, ...patch(known) } } };
}

/** Store conversations in the server's representation, and the users in the same answer. */
export function putConversations(state, items) {
  const conversations = { ...state.conversations };
  for (const { peer: _peer, ...item } of items) conversations[item.id] = combine(conversations[item.id], item);
  return putUsers({ ...state, conversations }, items.map(({ peer }) => peer).filter(Boolean));
}

/**
 * A known one keeps its `last_change`: later changes are not in the timeline until `sync` has fetched them.
 * `mention_seq` is the latest message that may mention the user; the server counts mentions without positions.
 */
function combine(known, conversation) {
  const mention_seq = Math.max(known?.mention_seq ?? 0, conversation.mention_count > 0 ? conversation.last_seq : 0);
  return known
    ? { ...known, ...conversation, mention_seq, last_change: known.last_change, ...own(known), ...newer(known, conversation) }
    : { ...conversation, mention_seq };
}

/** Ignore own settings in an answer, which lacks their version; pushes and `sync` keep them up to date. */
function own({ read_seq, pinned_at, is_muted, is_hidden, is_marked_unread, draft }) {
  return { read_seq, pinned_at, is_muted, is_hidden, is_marked_unread, draft };
}

/** Keep the newest copy of each user. */
export function putUsers(state, users) {
  const fresh = users.filter(({ id, revision }) => !(state.users[id]?.revision >= revision));
  return fresh.length
    ? { ...state, users: { ...state.users, ...Object.fromEntries(fresh.map((user) => [user.id, user])) } }
    : state;
}

/** Keep the newest copy of a user; the own copy has more fields than others see. */
export function putUser(state, user) {
  const known = state.users[user.id];
  const isMe = user.id === state.me?.id && 'version' in user && user.version > state.me.version;
  const me = isMe ? user : state.me;
  if (known && known.revision >= user.revision) return isMe ? { ...state, me } : state;
  return { ...state, me, users: { ...state.users, [user.id]: user } };
}

/** An answer may be older than a push that arrived while it was in flight. */
function newer(known, { last_seq }) {
  return known.last_seq > last_seq ? { last_seq: known.last_seq, last_message: known.last_message } : {};
}

function addMessage(state, message) {
  const id = message.conversation_id;
  const next = patchConversation(state, id, (known) => ({
    last_seq: Math.max(known.last_seq, message.seq),
    last_message: known.last_message && known.last_message.seq > message.seq ? known.last_message : message,
    is_hidden: staysHidden(known, message.seq),
    mention_seq: mentions(message, state.me) ? message.seq : known.mention_seq,
    ...readUpTo(known, message.sender_id === state.me.id, message.seq), // the sender has read all earlier messages
  }));
  return append(setTyping(next, id, message.sender_id, false), message);
}

function mentions({ sender_id, mentions: named }, me) {
  return sender_id !== me.id && listOf(named).some((one) => one === me.id || one === 'all');
}

/** A page of `sync` may contain messages from before the user hid the conversation. */
function staysHidden({ hidden_seq, is_hidden, last_seq }, seq) {
  const until = hidden_seq === undefined ? is_hidden && last_seq : hidden_seq; // the list does not contain the position
  return Boolean(until) && Math.max(last_seq, seq) <= until;
}

/**
 * Apply the user's own settings of a conversation, changed on another device. Pushes of two nodes may swap, and `sync`
 * may be newer than a buffered push: an older version changes nothing. Reading changes only the mark as unread, so that
 * mark has its own version.
 */
function takeOwnSettings(state, { conversation }) {
  const { conversation_id: id, removed, pinned_at, is_muted, draft, read_seq, hidden_seq, version } = conversation;
  if (version <= (state.conversations[id]?.version ?? -1)) return state;
  if (removed) return dropConversation(state, id);
  return patchConversation(state, id, (known) => ({
    version, pinned_at, is_muted, draft, hidden_seq,
    ...markUnread(known, conversation.is_marked_unread, version),
    read_seq: Math.max(known.read_seq, read_seq),
    is_hidden: hidden_seq !== null && known.last_seq <= hidden_seq,
  }));
}

function markUnread(known, is_marked_unread, version) {
  return version > (known.mark_version ?? -1) ? { is_marked_unread, mark_version: version } : {};
}

function takeGroup(state, { conversation_id, group }) {
  const { name, avatar_url, member_count } = group;
  return patchConversation(state, conversation_id, () => ({ name, avatar_url, member_count }));
}

function takeMemberCount(state, { conversation_id, member_count }) {
  return patchConversation(state, conversation_id, () => ({ member_count }));
}

function removeMember(state, payload) {
  return payload.user_id === state.me.id
    ? dropConversation(state, payload.conversation_id)
    : takeMemberCount(state, payload);
}

/** The user is no longer in a conversation. */
export function dropConversation(state, id) {
  const { [id]: _conversation, ...conversations } = state.conversations;
  const { [id]: _timeline, ...timelines } = state.timelines;
  return { ...state, conversations, timelines };
}

/** The server has confirmed a message of this device; only a push or sync advances `last_change`. */
export function addOwnMessage(state, message) {
  return dropEcho(addMessage(state, message), message);
}

/** Replace the local echo by the stored message. */
function dropEcho(state, message) {
  const outbox = state.outbox.filter((echo) => echo.client_id !== message.client_id);
  const mine = message.sender_id === state.me.id && outbox.length < state.outbox.length;
  return mine ? { ...state, outbox } : state;
}

function alterMessage(state, { message }) {
  const next = patchConversation(state, message.conversation_id, (known) => ({
    last_message: known.last_message?.seq === message.seq ? message : known.last_message,
  }));
  return alter(next, message);
}

/** The push names the reacting member; `sync` does not, but marks the user's own reactions. */
function reactToMessage(state, { message, user_id, emoji, removed }) {
  if (user_id !== state.me.id) return alterMessage(state, { message });
  const reactions = message.reactions.map((each) => (each.emoji === emoji ? { ...each, mine: !removed } : each));
  return alterMessage(state, { message: { ...message, reactions } });
}

function hideMessages(state, { message_ids }) {
  const conversations = new Set(message_ids.map((id) => id.split('-')[0]));
  return [...conversations].reduce((next, id) => drop(next, id, message_ids), state);
}

function readConversation(state, { conversation_id, user_id, read_seq, version }) {
  const isMine = user_id === state.me.id;
  return patchConversation(state, conversation_id, (known) => ({
    ...readUpTo(known, isMine, read_seq),
    ...(isMine ? markUnread(known, false, version) : {}),
  }));
}

/** The server has accepted a read mark of this device; events since the request are newer than the answer. */
export function takeReadMark(state, { id, seq, mark_version }) {
  return patchConversation(state, id, (known) => ({
    ...readUpTo(known, true, seq),
    ...(known.mark_version === mark_version ? { is_marked_unread: false } : {}),
  }));
}

/** Marks only move forward. A group has only the user's own mark; a private conversation also the peer's. */
function readUpTo(known, isMine, seq) {
  if (isMine) return { read_seq: Math.max(known.read_seq, seq) };
  return { peer_read_seq: Math.max(known.peer_read_seq ?? 0, seq) };
}

function setTyping(state, conversationId, userId, isTyping) {
  const before = state.typing[conversationId] ?? [];
  if (before.includes(userId) === isTyping || userId === state.me?.id) return state;
  const after = isTyping ? [...before, userId] : before.filter((id) => id !== userId);
  return { ...state, typing: { ...state.typing, [conversationId]: after } };
}
