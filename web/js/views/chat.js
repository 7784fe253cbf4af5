// The open conversation: who it is with, what was said, and the line to write on.

import { Component, html } from '../dom.js';
import { isOnline, nameOf, title, typingLine } from '../state/selectors.js';
import { t } from '../strings.js';
import { brief } from '../time.js';
import { Avatar } from './avatar.js';
import { Composer } from './composer.js';
import { Icon } from './icons.js';
import { MessageList } from './message_list.js';

export class Chat extends Component {
  state = { replyTo: null, editing: null };

  message = {
    ...this.props.actions,
    reply: (replyTo) => this.setState({ replyTo, editing: null }),
    startEdit: (editing) => this.setState({ editing, replyTo: null }),
  };

  leave = () => this.setState({ replyTo: null, editing: null });

  submit = (text) => {
    const { replyTo, editing } = this.state;
    const { actions, conversation } = this.props;
    this.leave();
    if (editing) return actions.edit(editing, text);
    return actions.send(conversation.id, text, replyTo ? { reply_to: replyTo.id } : {});
  };

  render({ state, actions, conversation }, { replyTo, editing }) {
    const context = replyTo && t('replying_to', { name: nameOf(state, replyTo.sender_id) });
    return html`
      <main class="chat">
        <${Header} state=${state} actions=${actions} conversation=${conversation} />
        <${MessageList} state=${state} actions=${this.message} conversation=${conversation} />
        <${Composer} key=${editing?.id ?? 'new'} initial=${editing ? editing.content.text : state.drafts[conversation.id] ?? ''}
          onDraft=${editing ? null : (text) => actions.keepDraft(conversation.id, text)}
          context=${editing ? t('editing') : context} onLeave=${this.leave} onSubmit=${this.submit}
          onTyping=${() => actions.typing(conversation.id)} onStop=${() => actions.stopTyping(conversation.id)} />
      </main>`;
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
        <h2 class="ellipsis">${name}</h2>
        <p class="muted ellipsis" aria-live="polite">${status(state, conversation)}</p>
      </div>
    </header>`;
}

/** On a phone the list, which tells of a lost link, is hidden behind the chat. */
function status(state, conversation) {
  if (state.link === 'down') return t('link_down');
  return typingLine(state, conversation.id) || about(state, conversation);
}

function about(state, { type, peer_id, member_count }) {
  if (type === 'group') return member_count ? t('members', { count: member_count }) : '';
  const presence = state.presence[peer_id];
  if (presence?.online) return t('online');
  return presence?.last_seen_at ? t('last_seen', { when: brief(presence.last_seen_at) }) : t('offline');
}
