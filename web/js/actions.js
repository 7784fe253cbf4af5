// What a person can do on the page. Views call these; nothing else talks to the server on a click.

import { idOf } from './api.js';
import { isId, listOf } from './content.js';
import { createHistory } from './history.js';
import { explain } from './strings.js';

/** Members whose names are asked for at once. */
const MEMBERS = 100;
/** Requests for contact, and invitations, that are shown at once. */
const REQUESTS = 20;
/** What the server takes in no text: control characters besides tab and the ends of lines. */
const CONTROL = /[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]/g;
/** Milliseconds between two signs that the user is writing. */
const TYPING_EVERY = 3_000;

export function createActions({ store, api, command, outbox, drafts, show }) {
  let typedAt = 0;
  const history = createHistory({ store, api });

  /** Put a conversation on the screen, null for the list alone. */
  async function open(id) {
    const conversation = store.state.conversations[id];
    store.dispatch({ type: 'opened', id: conversation ? id : null });
    if (!conversation || store.state.timelines[id]) return;
    await history.begin(id);
    if (conversation.type === 'group') await loadMembers(id);
  }

  /** The names of a group's members: all that fit on one page, the others when they say something. */
  async function loadMembers(id) {
    const { items } = await api.get(`/api/groups/${idOf(id)}/members`, { limit: MEMBERS });
    store.dispatch({ type: 'users_loaded', users: items.map(({ user }) => user) });
  }

  /** Alter a message by a command; what goes wrong is said in a notice. */
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

  /** Invitations to groups that wait for the user, and the users who sent them. */
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
      history.toNewest(id).catch(ignore); // the view offers it again
      return outbox.add({ conversation_id: id, type: 'text', content: { text: wellFormed(text) }, ...extra });
    },
    writeDraft: drafts.write,
    keepDrafts: drafts.keep,
    answer: drafts.answer,
    retry: outbox.retry,
    discard: outbox.discard,
    /** The server clears the mentions that an edit leaves out. */
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
    /** With the same `key` the server makes one group, however often it is asked. */
    async createGroup(name, memberIds, key) {
      const group = await api.post('/api/groups', { name, member_ids: memberIds }, key);
      await enter(await api.get(`/api/conversations/${idOf(group.conversation_id)}`));
    },
  };
}

/** What was pasted may hold half of a surrogate pair, which is no text, and control characters, which nobody sees. */
function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, '\uFFFD').replace(CONTROL, '');
}

function ignore() {
  // A lost sign of writing is not worth a word.
}
