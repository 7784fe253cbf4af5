// What the views ask the state.

import { known as hasText, t } from '../strings.js';

/** The conversations as the list shows them: pinned ones first, then by last activity. */
export function listed(state) {
  return Object.values(state.conversations)
    .filter((conversation) => !conversation.is_hidden)
    .sort((a, b) => Number(Boolean(b.pinned_at)) - Number(Boolean(a.pinned_at)) || activity(b) - activity(a) || b.id - a.id);
}

function activity(conversation) {
  return new Date(activeAt(conversation)).getTime();
}

export function activeAt(conversation) {
  return conversation.last_message?.created_at ?? conversation.active_at ?? conversation.created_at;
}

export function unread(conversation) {
  return Math.max(0, conversation.last_seq - conversation.read_seq);
}

/** Whether the list shows a mark: there is something unread, or the user wanted it to look so. */
export function hasUnread(conversation) {
  return unread(conversation) > 0 || Boolean(conversation.is_marked_unread);
}

export function unreadTotal(state) {
  return listed(state).reduce((sum, conversation) => sum + unread(conversation), 0);
}

export function nameOf(state, userId) {
  const user = state.users[userId];
  return user ? user.nickname || user.username : t('somebody');
}

export function title(state, conversation) {
  return conversation.type === 'group' ? conversation.name : nameOf(state, conversation.peer_id);
}

/** Whether another is there; while the link is down nobody can be said to be. */
export function isOnline(state, userId) {
  return state.link !== 'down' && Boolean(state.presence[userId]?.online);
}

/** The names of those who are writing in a conversation, as one line; empty when nobody is. */
export function typingLine(state, conversationId) {
  const users = state.typing[conversationId] ?? [];
  if (!users.length) return '';
  return users.length === 1
    ? t('typing_one', { name: nameOf(state, users[0]) })
    : t('typing_many', { count: users.length });
}

/** A message as one line of text. */
export function line(state, message) {
  if (message.recalled_at) return t('recalled');
  if (message.type === 'system') return systemLine(state, message);
  if (message.type === 'text') return message.content.text;
  const name = message.content.name ?? message.content.text;
  return name ? `${t(message.type)}: ${name}` : t(message.type);
}

/** What happened, told by the server as {event, ...} and put into words here. */
export function systemLine(state, { sender_id, content }) {
  const users = concerned(content);
  const key = `system_${happened(content, users.length === 1 && users[0] === sender_id)}`;
  const names = users.map((id) => nameOf(state, id)).join(', ');
  return t(hasText(key) ? key : 'system_other', { actor: nameOf(state, sender_id), names, name: content.name });
}

function happened({ event, changes }, isAboutActor) {
  if (isAboutActor && event === 'members_added') return 'member_joined';
  if (isAboutActor && event === 'member_removed') return 'member_left';
  return changes && 'name' in changes ? 'group_renamed' : event;
}

/** The users whom a system line is about. */
function concerned({ user_ids, user_id }) {
  return user_id ? [user_id] : user_ids ?? [];
}

/** Everybody whose name is on the screen; the page must know them. */
export function named(state) {
  const ids = new Set();
  for (const { peer_id, last_message } of Object.values(state.conversations)) {
    if (peer_id) ids.add(peer_id);
    if (last_message) addNamed(ids, last_message);
  }
  for (const message of state.timelines[state.open]?.messages ?? []) addNamed(ids, message);
  for (const id of state.typing[state.open] ?? []) ids.add(id);
  return ids;
}

function addNamed(ids, { sender_id, content, mentions }) {
  ids.add(sender_id);
  for (const id of [...concerned(content), ...(mentions ?? [])]) if (id !== 'all') ids.add(id);
}
