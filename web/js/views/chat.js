// The open conversation: its head, its messages and the input line.

import { Component, html } from '../dom.js';
import { answeredBy, draftOf, isOnline, line, nameOf, silenceOf, title, typingLine } from '../state/selectors.js';
import { t } from '../strings.js';
import { brief } from '../time.js';
import { Avatar } from './avatar.js';
import { Composer } from './composer.js';
import { Confirm } from './confirm.js';
import { Icon } from './icons.js';
import { MessageList } from './message_list.js';

export class Chat extends Component {
  state = { editing: null, recalling: null };

  message = {
    ...this.props.actions,
    reply: (message) => this.answer(message),
    startEdit: (editing) => this.setState({ editing }),
    recall: (recalling) => this.setState({ recalling }),
  };

  /** Set the message that the draft answers; null for none. */
  answer(message) {
    this.setState({ editing: null });
    this.props.actions.answer(this.props.conversation.id, message);
  }

  /** After leaving an edit, restore the draft and the message that it answers. */
  leave = () => (this.state.editing ? this.setState({ editing: null }) : this.answer(null));

  submit = (text) => {
    const { editing } = this.state;
    const { state, actions, conversation } = this.props;
    const replyTo = answeredBy(state, conversation.id);
    this.leave();
    if (editing) return actions.edit(editing, text);
    return actions.send(conversation.id, text, replyTo ? { reply_to: replyTo.id } : {});
  };

  /** Return the unsent messages, as the same array until it changes, because rendering the list is expensive. */
  waiting(outbox) {
    const own = outbox.filter(({ conversation_id }) => conversation_id === this.props.conversation.id);
    if (own.length !== this.own?.length || own.some((echo, index) => echo !== this.own[index])) this.own = own;
    return this.own;
  }

  render({ state, actions, conversation }, { editing, recalling }) {
    return html`
      <main class="chat">
        <${Header} state=${state} actions=${actions} conversation=${conversation} />
        <${MessageList} me=${state.me.id} users=${state.users} timeline=${state.timelines[conversation.id]}
          outbox=${this.waiting(state.outbox)} name=${title(state, conversation)}
          actions=${this.message} conversation=${conversation} />
        ${this.writing(state, conversation, editing)}
        ${recalling && html`
          <${Confirm} title=${t('recall_title')} text=${t('recall_text')} word=${t('recall')}
            onYes=${() => actions.recall(recalling)} onClose=${() => this.setState({ recalling: null })} />`}
      </main>`;
  }

  writing(state, conversation, editing) {
    const { actions } = this.props;
    const silence = silenceOf(state, conversation);
    if (silence) return html`<p class="composer silent muted">${silence}</p>`;
    const replyTo = editing ? null : answeredBy(state, conversation.id);
    const context = replyTo && t('replying_to', { name: nameOf(state, replyTo.sender_id) });
    return html`
      <${Composer} key=${editing?.id ?? 'new'} initial=${editing ? editing.content.text : draftOf(state, conversation.id)}
        onDraft=${editing ? null : (text) => actions.writeDraft(conversation.id, text)} onKeep=${actions.keepDrafts}
        context=${editing ? t('editing') : context} quote=${replyTo && line(state, replyTo)}
        onLeave=${this.leave} onSubmit=${this.submit}
        onTyping=${() => actions.typing(conversation.id)} onStop=${() => actions.stopTyping(conversation.id)} />`;
  }
}

function Header({ state, actions, conversation }) {
  const { id, type, peer_id } = conversation;
  const name = title(state, conversation);
  const online = type === 'private' ? isOnline(state, peer_id) : undefined;
  return html`
    <header>
      <button class="round only-phone" aria-label=${t('back')} onClick=${() => actions.show(null)}>
        <${Icon} name="back" /></button>
      <${Avatar} id=${peer_id ?? id} name=${name} online=${online} />
      <div class="grow">
        <h2 class="ellipsis" dir="auto">${name}</h2>
        <p class="muted ellipsis" dir="auto" aria-live="polite">${status(state, conversation)}</p>
      </div>
    </header>`;
}

/** Shows a lost connection on a phone, where the chat hides the list that shows it. */
function status(state, conversation) {
  if (state.link === 'down') return t('link_down');
  return typingLine(state, conversation.id) || about(state, conversation);
}

function membersOf(count) {
  if (!Number.isSafeInteger(count) || count < 1) return '';
  return t(count === 1 ? 'members_one' : 'members', { count });
}

function about(state, { type, peer_id, member_count }) {
  if (type === 'group') return membersOf(member_count);
  const presence = state.presence[peer_id];
  if (presence?.online) return t('online');
  return presence?.last_seen_at ? t('last_seen', { when: brief(presence.last_seen_at) }) : t('offline');
}
