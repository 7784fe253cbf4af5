// The views' queries of the state.

import { idsOf, isId, listOf, objectOf, textOf } from '../content.js';
import { known as hasText, t } from '../strings.js';
import { millis } from '../time.js';

/** Return the conversations in the order of the list: pinned ones first, then by last activity. */
export function listed(state) {
  return Object.values(state.conversations)
    .filter((conversation) => !conversation.is_hidden)
    .sort((a, b) => Number(Boolean(b.pinned_at)) - Number(Boolean(a.pinned_at)) || activity(b) - activity(a) || b.id - a.id);
}

function activity(conversation) {
  return millis(activeAt(conversation)) || 0;
}

export function activeAt(conversation) {
  return conversation.last_message?.created_at ?? conversation.active_at ?? conversation.created_at;
}

export function unread(conversation) {
  return Math.max(0, conversation.last_seq - conversation.read_seq);
}

/** Return whether the list shows a mark: for unread messages, or because the user marked it as unread. */
export function hasUnread(conversation) {
  return unread(conversation) > 0 || Boolean(conversation.is_marked_unread);
}

/** Return whether an unread message mentions the user. */
export function isMentioned(conversation) {
  return conversation.mention_seq > conversation.read_seq;
}

/** Return the count in the window's title: without muted conversations; one marked as unread counts as one. */
export function unreadTotal(state) {
  return listed(state)
    .filter((conversation) => !conversation.is_muted && hasUnread(conversation))
    .reduce((sum, conversation) => sum + (unread(conversation) || 1), 0);
}

/** Return the unsent text of a conversation. */
export function draftOf(state, id) {
  return textOf(state.drafts[id]);
}

/** Return all texts of a conversation that the server does not have as messages, as lines. */
export function writtenIn(state, id) {
  const unsent = state.outbox.filter(({ conversation_id }) => conversation_id === id);
  return [...unsent.map(({ content }) => textOf(objectOf(content).text)), draftOf(state, id)].filter(Boolean).join('\n');
}

/** Return the message that a draft answers, in its current version if it is loaded; null for none. */
export function answeredBy(state, id) {
  const kept = state.replies[id] ?? null;
  return kept && (state.timelines[id]?.messages.find((message) => message.id === kept.id) ?? kept);
}

/** Return why a conversation is closed for writing; empty if it is open. */
export function silenceOf(state, { type, peer_id, dissolved_at }) {
  if (type === 'group' && dissolved_at) return t('error_group_dissolved');
  const peer = type === 'private' ? state.users[peer_id] : null;
  if (isErased(peer)) return t('peer_erased');
  return peer?.is_closed ? t('error_recipient_gone') : '';
}

/** Return whether an account was erased, which its username shows. */
function isErased(user) {
  return textOf(user?.username).startsWith(`deleted-${user?.id}-`);
}

export function nameOf(state, userId) {
  const user = objectOf(isId(userId) && state.users[userId]);
  const { nickname, username } = user;
  if (isErased(user)) return t('erased_user');
  return textOf(nickname).trim() || textOf(username) || t('somebody');
}

export function title(state, conversation) {
  return conversation.type === 'group' ? textOf(conversation.name) || t('group') : nameOf(state, conversation.peer_id);
}

/** Return whether the other user is online; false while the connection is down. */
export function isOnline(state, userId) {
  return state.link !== 'down' && isId(userId) && Boolean(state.presence[userId]?.online);
}

/** Return the names of the users typing in a conversation as one line; empty for none. */
export function typingLine(state, conversationId) {
  const users = state.typing[conversationId] ?? [];
  if (!users.length) return '';
  return users.length === 1
    ? t('typing_one', { name: nameOf(state, users[0]) })
    : t('typing_many', { count: users.length });
}

/** Return a message as one line of text. */
export function line(state, message) {
  if (message.recalled_at) return t('recalled');
  if (message.type === 'system') return systemLine(state, message);
  const { name, text } = objectOf(message.content);
  if (message.type === 'text') return textOf(text);
  const said = textOf(name) || textOf(text);
  return said ? `${kindOf(message)}: ${said}` : kindOf(message);
}

/** Return the type of a message in words. */
export function kindOf({ type }) {
  const key = `type_${textOf(type)}`;
  return t(hasText(key) ? key : 'type_custom');
}

/** Return the reactions of a message, each with the ids of its first users, and whether `me` has set it. */
export function reactionsOf(message, me) {
  return listOf(message.reactions).map(objectOf).map(({ emoji, count, user_ids, mine }) => {
    const ids = idsOf(user_ids);
    return { emoji: textOf(emoji), count: Number.isFinite(count) ? count : 0, ids, isMine: mine === true || ids.includes(me) };
  });
}

/** Return the text of a system line, which the server sends as {event, ...}. */
export function systemLine(state, { sender_id, content }) {
  const users = concerned(content);
  const key = `system_${happened(objectOf(content), users.length === 1 && users[0] === sender_id)}`;
  const names = users.map((id) => nameOf(state, id)).join(', ');
  const name = textOf(objectOf(content).name);
  return t(hasText(key) ? key : 'system_other', { actor: nameOf(state, sender_id), names, name });
}

function happened({ event, changes }, isAboutActor) {
  if (isAboutActor && event === 'members_added') return 'member_joined';
  if (isAboutActor && event === 'member_removed') return 'member_left';
  return 'name' in objectOf(changes) ? 'group_renamed' : textOf(event);
}

/** Return the users that a system line names. */
function concerned(content) {
  const { user_ids, user_id } = objectOf(content);
  return isId(user_id) ? [user_id] : idsOf(user_ids);
}

/** Return the ids of all users named on the screen, which the page must know. */
export function named(state) {
  const ids = new Set();
  for (const { peer_id, last_message } of Object.values(state.conversations)) {
    if (isId(peer_id)) ids.add(peer_id);
    if (last_message) addNamed(ids, last_message);
  }
  for (const message of state.timelines[state.open]?.messages ?? []) addNamed(ids, message);
  for (const id of listOf(state.typing[state.open]).filter(isId)) ids.add(id);
  return ids;
}

/** Only the server writes system messages; the content of other messages comes from users and names nobody. */
function addNamed(ids, { type, sender_id, content, mentions }) {
  if (isId(sender_id)) ids.add(sender_id);
  for (const id of idsOf(mentions)) ids.add(id);
  if (type === 'system') for (const id of concerned(content)) ids.add(id);
}

/** Return the user's unconfirmed messages of a conversation, in the shape of messages. */
export function echoes({ outbox, me }, conversationId) {
  return outbox
    .filter(({ conversation_id, edit_of }) => conversation_id === conversationId && edit_of === undefined)
    .map((echo) => ({ ...echo, sender_id: me.id, isEcho: true, reactions: [], mentions: [] }));
}

/** Return a message with a pending or refused edit applied; `pending` is that edit. */
export function withPendingEdit({ outbox }, message) {
  const pending = outbox.find(({ edit_of }) => edit_of === message.id);
  return pending ? { ...message, content: pending.content, error: pending.error, pending } : message;
}
