// The actions of a message. The buttons are created on hover or focus: hundreds of messages are on the page, and the
// allowed actions depend on the time.

import { config } from '../config.js';
import { Component, createRef, html } from '../dom.js';
import { reactionsOf } from '../state/selectors.js';
import { t } from '../strings.js';
import { millis } from '../time.js';
import { Icon } from './icons.js';

const EMOJI = ['👍', '❤️', '😂', '🎉'];

export class Tools extends Component {
  state = { isOpen: false };
  place = createRef();

  open = () => this.setState({ isOpen: true });

  /** A touch ends at once; the opened buttons stay until the next touch elsewhere. */
  left = ({ pointerType }) => pointerType !== 'touch' && this.setState({ isOpen: false });

  componentDidMount() {
    this.row = this.place.current.closest('.message');
    this.row.addEventListener('pointerenter', this.open);
    this.row.addEventListener('pointerleave', this.left);
  }

  componentWillUnmount() {
    this.row?.removeEventListener('pointerenter', this.open);
    this.row?.removeEventListener('pointerleave', this.left);
  }

  render({ me, actions, message, role }, { isOpen }) {
    return html`
      <span class="tools" ref=${this.place} role="group" aria-label=${t('actions')} onFocusIn=${this.open}>
        <button class="more" aria-label=${t('actions')} aria-expanded=${isOpen} onClick=${this.open}>⋯</button>
        ${isOpen && html`<${Buttons} me=${me} actions=${actions} message=${message} role=${role} />`}
      </span>`;
  }
}

function Buttons({ me, actions, message, role }) {
  return html`
    <${Reactions} me=${me} actions=${actions} message=${message} />
    <${Tool} icon="reply" onClick=${() => actions.reply(message)} />
    ${mayEdit(me, message) && html`<${Tool} icon="edit" onClick=${() => actions.startEdit(message)} />`}
    ${mayRecall(me, message, role) && html`<${Tool} icon="recall" onClick=${() => actions.recall(message)} />`}`;
}

function Reactions({ me, actions, message }) {
  const own = reactionsOf(message, me).filter(({ isMine }) => isMine).map(({ emoji }) => emoji);
  return EMOJI.map((emoji) => html`
    <button key=${emoji} aria-label=${t('react', { emoji })} aria-pressed=${own.includes(emoji)}
      onClick=${() => actions.react(message, emoji, own.includes(emoji))}>${emoji}</button>`);
}

function Tool({ icon, onClick }) {
  return html`<button aria-label=${t(icon)} title=${t(icon)} onClick=${onClick}><${Icon} name=${icon} /></button>`;
}

/** Return whether the server still accepts an edit: of the user's own text, within the time window. */
function mayEdit(me, message) {
  return message.sender_id === me && message.type === 'text' && age(message) < config.windows.edit_seconds;
}

/** Return whether a recall is still allowed: for the author within the window, for owner and admins always. */
function mayRecall(me, message, role) {
  const isOwn = message.sender_id === me && age(message) < config.windows.recall_seconds;
  return isOwn || role === 'owner' || role === 'admin';
}

function age(message) {
  return (Date.now() - millis(message.created_at)) / 1000;
}
