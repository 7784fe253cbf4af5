// The user's actions on the page. Views call them; nothing else calls the server on a click.

import { idOf } from './api.js';
import { isId, listOf } from './content.js';
import { createHistory } from './history.js';
import { explain } from './strings.js';

/** Number of members in one request for names. */
const MEMBERS = 100;
/** Number of contact requests, and of invitations, that are shown together. */
const REQUESTS = 20;
/** Characters that the server refuses in texts: control characters except tab and line ends. */
const CONTROL = /[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]/g;
/** Milliseconds between two typing notifications. */
const TYPING_EVERY = 3_000;

export function createActions({ store, api, command, outbox, drafts, show }) {
  let typedAt = 0;
  const history = createHistory({ store, api });

  /** Show a conversation, or only the list for null. */
  async function open(id) {
    const conversation = store.state.conversations[id];
    store.dispatch({ type: 'opened', id: conversation ? id : null });
    if (!conversation || store.state.timelines[id]) return;
    await history.begin(id);
    if (conversation.type === 'group') await loadMembers(id);
  }

  /** Load the names of a group's members: one page of them; the others are loaded when they write. */
  async function loadMembers(id) {
    const { items } = await api.get(`/api/groups/${idOf(id)}/members`, { limit: MEMBERS });
    store.dispatch({ type: 'users_loaded', users: items.map(({ user }) => user) });
  }

  /** Change a message by a command; show a notice if it fails. */
  function alter(name, payload) {
    return alterOrThrow(name, payload).catch((error) => store.dispatch({ type: 'noticed', text: explain(error) }));
  }

  async function alterOrThrow(name, payload) {
    const { message } = await command(name, payload);
    store.dispatch({ type: 'message_altered', message });
  }

  function typing(id) {
    if (Date.now() - typedAt < TYPING_EVERY) return;
    typedAt = Date.now();
    command('typing', { conversation_id: id }).catch(ignore);
  }

  function stopTyping(id) {
    if (!typedAt) return;
    typedAt = 0;
    command('stop_typing', { conversation_id: id }).catch(ignore);
  }

  /** Pending group invitations of the user, and their senders. */
  async function loadInvitations() {
    const { items } = await api.get('/api/join-requests', { status: 'invited', limit: REQUESTS });
    const strangers = new Set(items.map(({ inviter_id }) => inviter_id).filter((id) => isId(id) && !store.state.users[id]));
    const users = await Promise.all([...strangers].map((id) => api.get(`/api/users/${idOf(id)}`).catch(() => null)));
    store.dispatch({ type: 'users_loaded', users: users.filter(Boolean) });
    return items;
  }

  async function enter(conversation) {
    store.dispatch({ type: 'conversations_loaded', items: [conversation] });
    show(conversation.id);
  }

  return {
    open,
    show,
    loadOlder: history.loadOlder,
    loadNewer: history.loadNewer,
    toNewest: history.toNewest,
    jumpTo: history.jumpTo,
    typing,
    stopTyping,
    send(id, text, extra = {}) {
      stopTyping(id);
      drafts.clear(id);
      history.toNewest(id).catch(ignore); // the view offers a retry
      return outbox.add({ conversation_id: id, type: 'text', content: { text: wellFormed(text) }, ...extra });
    },
    writeDraft: drafts.write,
    keepDrafts: drafts.keep,
    answer: drafts.answer,
    retry: outbox.retry,
    discard: outbox.discard,
    /** The server clears mentions that the edit omits. */
    edit({ id, conversation_id, mentions }, text) {
      return outbox.add({ edit_of: id, conversation_id, content: { text: wellFormed(text) }, mentions: listOf(mentions) });
    },
    recall: (message) => alter('recall_message', { message_id: message.id }),
    react: (message, emoji, remove) => alter('react', { message_id: message.id, emoji, remove }),
    searchUsers: async (query) => (await api.get('/api/users', { query })).items,
    startPrivate: async (userId) => enter(await api.post('/api/conversations', { user_id: userId })),
    loadContactRequests: async () => (await api.get('/api/contact-requests', { status: 'pending', limit: REQUESTS })).items,
    answerContactRequest: (id, word) => api.post(`/api/contact-requests/${idOf(id)}/${word}`),
    loadInvitations,
    answerInvitation: (groupId, word) => api.post(`/api/groups/${idOf(groupId)}/invitation/${word}`),
    /** With the same `key` the server creates only one group for repeated requests. */
    async createGroup(name, memberIds, key) {
      const group = await api.post('/api/groups', { name, member_ids: memberIds }, key);
      await enter(await api.get(`/api/conversations/${idOf(group.conversation_id)}`));
    },
  };
}

/** Pasted text may contain half of a surrogate pair, which is invalid, and invisible control characters. */
function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, '\uFFFD').replace(CONTROL, '');
}

function ignore() {
  // A lost typing notification needs no message.
}
