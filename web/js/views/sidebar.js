// The list of conversations, and the button for new ones.

import { Component, html, Pure } from '../dom.js';
import {
  activeAt, draftOf, hasUnread, isMentioned, isOnline, line, listed, nameOf, title, typingLine, unread,
} from '../state/selectors.js';
import { t } from '../strings.js';
import { brief } from '../time.js';
import { Avatar } from './avatar.js';
import { Boundary } from './boundary.js';
import { Icon } from './icons.js';
import { NewConversation } from './new_conversation.js';
import { Requests } from './requests.js';

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
            <strong class="ellipsis" dir="auto">${nameOf(state, state.me.id)}</strong>
            <${Link} link=${state.link} />
          </div>
          <button class="round" title=${t('new_conversation')} aria-label=${t('new_conversation')}
            onClick=${this.toggleNew}><${Icon} name="plus" /></button>
          <button class="round" title=${t('log_out')} aria-label=${t('log_out')}
            onClick=${() => actions.logOut()}><${Icon} name="logout" /></button>
        </header>
        <nav aria-label=${t('conversations')}>
          <${Boundary} of=${state.request_news} fallback=${null}>
            <${Requests} actions=${actions} users=${state.users} link=${state.link} news=${state.request_news} />
          <//>
          ${conversations.length === 0 && state.link === 'live' && html`
            <p class="muted empty">${t('no_conversations')}</p>`}
          <ul>
            ${conversations.map((conversation) => html`
              <${Boundary} key=${conversation.id} of=${conversation} fallback=${html`<${UnshowableEntry} />`}>
                <${Entry} ...${entryOf(state, conversation)} />
              <//>`)}
          </ul>
        </nav>
      </aside>
      ${isNewOpen && html`<${NewConversation} state=${state} actions=${actions} onClose=${this.toggleNew} />`}`;
  }
}

function Link({ link }) {
  return html`<span class=${`link-state ${link}`} role="status">${t(`link_${link}`)}</span>`;
}

function UnshowableEntry() {
  return html`<li class="entry muted">${t('entry_cannot_be_shown')}</li>`;
}

/** Return an entry's content as plain values, so that it is rendered again only when one of them changes. */
function entryOf(state, conversation) {
  const { id, type, peer_id, is_muted } = conversation;
  return {
    id,
    face: peer_id ?? id,
    name: title(state, conversation),
    online: type === 'private' ? isOnline(state, peer_id) : undefined,
    isOpen: state.open === id,
    isMuted: is_muted === true,
    isUnread: hasUnread(conversation),
    isMentioned: isMentioned(conversation),
    count: unread(conversation),
    when: conversation.last_message ? brief(activeAt(conversation)) : '',
    text: typingLine(state, id) || preview(state, conversation),
  };
}

class Entry extends Pure {
  render({ id, face, name, online, isOpen, isMuted, isUnread, isMentioned: isNamed, count, when, text }) {
    return html`
      <li>
        <a class=${isOpen ? 'entry open' : 'entry'} href=${`#/${id}`} aria-current=${isOpen ? 'page' : null}
          data-conversation=${id}>
          <${Avatar} id=${face} name=${name} online=${online} />
          <span class="grow">
            <span class="row">
              <strong class="ellipsis grow" dir="auto">${name}</strong>
              <time class="muted">${when}</time>
            </span>
            <span class="row">
              <span class="muted ellipsis grow" dir="auto">${text}</span>
              ${isNamed && html`<span class="badge" role="img" aria-label=${t('mentioned')} title=${t('mentioned')}>@</span>`}
              ${isUnread && html`<${Badge} count=${count} isMuted=${isMuted} />`}
            </span>
          </span>
        </a>
      </li>`;
  }
}

function Badge({ count, isMuted }) {
  return html`<span class=${isMuted ? 'badge quiet' : 'badge'} role="img" aria-label=${t('unread', { count: count || 1 })}>
    ${count > 99 ? '99+' : count || '•'}</span>`;
}

function preview(state, conversation) {
  const { id, type, last_message } = conversation;
  const draft = state.open !== id && draftOf(state, id);
  if (draft) return t('draft', { text: draft });
  if (!last_message) return '';
  const text = line(state, last_message);
  if (type === 'private' || last_message.type === 'system') return text;
  const author = last_message.sender_id === state.me.id ? t('you') : nameOf(state, last_message.sender_id);
  return `${author}: ${text}`;
}
