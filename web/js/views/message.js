// One message in the timeline: its bubble, its state, and what can be done with it.

import { idsOf, listOf, objectOf, textOf } from '../content.js';
import { html } from '../dom.js';
import { line, nameOf, systemLine } from '../state/selectors.js';
import { t } from '../strings.js';
import { clock, full } from '../time.js';
import { Avatar, hue } from './avatar.js';
import { Icon } from './icons.js';
import { richText } from './rich_text.js';

const EMOJI = ['👍', '❤️', '😂', '🎉'];

export function SystemLine({ state, message }) {
  return html`<li class="system" data-seq=${message.seq}><span>${systemLine(state, message)}</span></li>`;
}

/** What stands in the place of a message whose view has failed. */
export function Unshowable({ message }) {
  return html`<li class="system" data-seq=${Number(message.seq) || null}><span>${t('cannot_be_shown')}</span></li>`;
}

export function Message({ state, actions, conversation, message, isFirst, isLast }) {
  const isMine = message.sender_id === state.me.id;
  const hasFace = conversation.type === 'group' && !isMine;
  const style = ['message', isMine ? 'mine' : 'theirs', isFirst && 'first', isLast && 'last'].filter(Boolean).join(' ');
  return html`
    <li class=${style} data-seq=${message.seq} data-client-id=${message.client_id}>
      ${hasFace && html`<span class="face">${isLast && html`
        <${Avatar} small id=${message.sender_id} name=${nameOf(state, message.sender_id)} />`}</span>`}
      <div class="column">
        ${hasFace && isFirst && html`
          <span class=${`author ${hue(message.sender_id)}`}>${nameOf(state, message.sender_id)}</span>`}
        <${Bubble} state=${state} conversation=${conversation} message=${message} isMine=${isMine} />
        <${Reactions} state=${state} actions=${actions} message=${message} />
        ${message.error && html`<${Failure} actions=${actions} message=${message} />`}
      </div>
      ${!message.isEcho && !message.recalled_at && html`
        <${Tools} actions=${actions} message=${message} isMine=${isMine} />`}
    </li>`;
}

function Bubble({ state, conversation, message, isMine }) {
  const isRecalled = Boolean(message.recalled_at);
  return html`
    <div class=${isRecalled ? 'bubble recalled' : 'bubble'}>
      ${message.reply_to && !isRecalled && html`<${Quote} state=${state} message=${message} />`}
      <span class="text">${isRecalled ? t('recalled') : body(state, message)}</span>
      <span class="meta">
        ${message.edited_at && !isRecalled ? `${t('edited')} · ` : ''}
        <time datetime=${textOf(message.created_at)} title=${full(message.created_at)}>${clock(message.created_at)}</time>
        ${isMine && !isRecalled && !message.error && html`<${Tick} conversation=${conversation} message=${message} />`}
      </span>
    </div>`;
}

function body(state, message) {
  if (message.type !== 'text') return line(state, message);
  const names = idsOf(message.mentions).map((id) => nameOf(state, id));
  if (listOf(message.mentions).includes('all')) names.push(t('everybody'));
  return richText(textOf(objectOf(message.content).text), names);
}

function Quote({ state, message }) {
  const messages = state.timelines[message.conversation_id]?.messages ?? [];
  const quoted = messages.find(({ id }) => id === message.reply_to);
  return html`
    <span class="quote">
      ${quoted && html`<strong>${nameOf(state, quoted.sender_id)}</strong>`}
      <span class="ellipsis">${quoted ? line(state, quoted) : '…'}</span>
    </span>`;
}

/** How far an own message has come: on its way, stored, read by the other (in private conversations). */
function Tick({ conversation, message }) {
  const [icon, text] = progress(conversation, message);
  return html`<span class=${`tick ${text}`} role="img" aria-label=${t(text)} title=${t(text)}>
    <${Icon} name=${icon} /></span>`;
}

function progress({ type, peer_read_seq }, message) {
  if (message.isEcho || message.pending) return ['clock', 'sending'];
  return type === 'private' && message.seq <= (peer_read_seq ?? 0) ? ['checks', 'read'] : ['check', 'sent'];
}

function Reactions({ state, actions, message }) {
  const reactions = listOf(message.reactions).map(objectOf);
  if (!reactions.length || message.recalled_at) return null;
  return html`
    <span class="reactions">
      ${reactions.map((reaction) => html`
        <${Reaction} key=${reaction.emoji} state=${state} actions=${actions} message=${message} ...${reaction} />`)}
    </span>`;
}

function Reaction({ state, actions, message, emoji, count, user_ids }) {
  const isMine = idsOf(user_ids).includes(state.me.id);
  return html`
    <button class="chip" aria-pressed=${isMine} onClick=${() => actions.react(message, textOf(emoji), isMine)}
      title=${idsOf(user_ids).map((id) => nameOf(state, id)).join(', ')}>${textOf(emoji)} ${Number(count) || 0}</button>`;
}

function Failure({ actions, message }) {
  const { client_id: waiting } = message.pending ?? message;
  return html`
    <span class="failure" role="alert"><${Icon} name="alert" />
      ${t('not_sent', { reason: message.error })}
      <button class="link" onClick=${() => actions.retry(waiting)}>${t('retry')}</button>
      <button class="link" onClick=${() => actions.discard(waiting)}>${t('discard')}</button>
    </span>`;
}

function Tools({ actions, message, isMine }) {
  const isText = isMine && message.type === 'text';
  return html`
    <span class="tools" role="group" aria-label=${t('actions')}>
      ${EMOJI.map((emoji) => html`
        <button key=${emoji} aria-label=${t('react', { emoji })} onClick=${() => actions.react(message, emoji, false)}>
          ${emoji}</button>`)}
      <${Tool} icon="reply" onClick=${() => actions.reply(message)} />
      ${isText && html`<${Tool} icon="edit" onClick=${() => actions.startEdit(message)} />`}
      ${isMine && html`<${Tool} icon="recall" onClick=${() => actions.recall(message)} />`}
    </span>`;
}

function Tool({ icon, onClick }) {
  return html`<button aria-label=${t(icon)} title=${t(icon)} onClick=${onClick}><${Icon} name=${icon} /></button>`;
}
