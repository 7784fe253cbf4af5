// The list of conversations, and the way to new ones.

import { Component, html } from '../dom.js';
import { activeAt, hasUnread, isOnline, line, listed, nameOf, title, typingLine, unread } from '../state/selectors.js';
import { t } from '../strings.js';
import { brief } from '../time.js';
import { Avatar } from './avatar.js';
import { Boundary } from './boundary.js';
import { Icon } from './icons.js';
import { NewConversation } from './new_conversation.js';

export class Sidebar extends Component {
  state = { isNewOpen: false };

  toggleNew = () => this.setState({ isNewOpen: !this.state.isNewOpen });

  render({ state, actions }, { isNewOpen }) {
    const conversations = listed(state);
    return html`
      <aside class="sidebar">
        <header>
          <${Avatar} id=${state.me.id} name=${nameOf(state, state.me.id)} />
          <div class="grow">
            <strong class="ellipsis">${nameOf(state, state.me.id)}</strong>
            <${Link} link=${state.link} />
          </div>
          <button class="round" title=${t('new_conversation')} aria-label=${t('new_conversation')}
            onClick=${this.toggleNew}><${Icon} name="plus" /></button>
          <button class="round" title=${t('log_out')} aria-label=${t('log_out')}
            onClick=${actions.logOut}><${Icon} name="logout" /></button>
        </header>
        <nav aria-label=${t('conversations')}>
          ${conversations.length === 0 && state.link === 'live' && html`
            <p class="muted empty">${t('no_conversations')}</p>`}
          <ul>
            ${conversations.map((conversation) => html`
              <${Boundary} key=${conversation.id} of=${conversation} fallback=${html`<${UnshowableEntry} />`}>
                <${Entry} state=${state} conversation=${conversation} />
              <//>`)}
          </ul>
        </nav>
        ${isNewOpen && html`<${NewConversation} state=${state} actions=${actions} onClose=${this.toggleNew} />`}
      </aside>`;
  }
}

function Link({ link }) {
  return html`<span class=${`link-state ${link}`} role="status">${t(`link_${link}`)}</span>`;
}

function UnshowableEntry() {
  return html`<li class="entry muted">${t('entry_cannot_be_shown')}</li>`;
}

function Entry({ state, conversation }) {
  const { id, type, peer_id, last_message } = conversation;
  const name = title(state, conversation);
  const online = type === 'private' ? isOnline(state, peer_id) : undefined;
  const isOpen = state.open === id;
  return html`
    <li>
      <a class=${isOpen ? 'entry open' : 'entry'} href=${`#/${id}`} aria-current=${isOpen ? 'page' : null}
        data-conversation=${id}>
        <${Avatar} id=${peer_id ?? id} name=${name} online=${online} />
        <span class="grow">
          <span class="row">
            <strong class="ellipsis grow">${name}</strong>
            <time class="muted">${last_message ? brief(activeAt(conversation)) : ''}</time>
          </span>
          <span class="row">
            <span class="muted ellipsis grow">${typingLine(state, id) || preview(state, conversation)}</span>
            ${hasUnread(conversation) && html`<${Badge} count=${unread(conversation)} />`}
          </span>
        </span>
      </a>
    </li>`;
}

function Badge({ count }) {
  return html`<span class="badge" aria-label=${t('unread', { count: count || 1 })}>
    ${count > 99 ? '99+' : count || '•'}</span>`;
}

function preview(state, { type, last_message }) {
  if (!last_message) return '';
  const text = line(state, last_message);
  if (type === 'private' || last_message.type === 'system') return text;
  const author = last_message.sender_id === state.me.id ? t('you') : nameOf(state, last_message.sender_id);
  return `${author}: ${text}`;
}
