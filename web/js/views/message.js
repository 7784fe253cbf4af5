// One message in the timeline: its bubble, its state, and its actions.

import { textOf } from '../content.js';
import { html, Pure } from '../dom.js';
import { line, nameOf, reactionsOf, systemLine } from '../state/selectors.js';
import { t } from '../strings.js';
import { clock, full } from '../time.js';
import { Avatar, hue } from './avatar.js';
import { contentOf } from './content_views.js';
import { Icon } from './icons.js';
import { Tools } from './tools.js';

/** Replaces a message after its view has failed. */
export function Unshowable({ message }) {
  return html`<li class="system" data-seq=${Number(message.seq) || null}><span>${t('cannot_be_shown')}</span></li>`;
}

export class SystemLine extends Pure {
  render({ users, message }) {
    return html`
      <li class="system" data-seq=${message.seq}><span dir="auto" translate=${false}>${systemLine({ users }, message)}</span></li>`;
  }
}

/** `quoted` is the message that this one answers, if it is loaded; `isRead` whether the peer has read it. */
export class Message extends Pure {
  render({ me, users, actions, role, isGroup, isRead, message, quoted, isFirst, isLast, onJump }) {
    const isMine = message.sender_id === me;
    const hasFace = isGroup && !isMine;
    const name = nameOf({ users }, message.sender_id);
    const style = ['message', isMine ? 'mine' : 'theirs', isFirst && 'first', isLast && 'last'].filter(Boolean).join(' ');
    return html`
      <li class=${style} data-seq=${message.seq} data-client-id=${textOf(message.client_id)}>
        ${hasFace && html`<span class="face">${isLast && html`
          <${Avatar} small id=${message.sender_id} name=${name} />`}</span>`}
        <div class="column">
          ${hasFace && isFirst && html`
            <bdi class=${`author ${hue(message.sender_id)}`} translate=${false}>${name}</bdi>`}
          <${Bubble} users=${users} message=${message} quoted=${quoted} isMine=${isMine} isRead=${isRead} onJump=${onJump} />
          <${Reactions} me=${me} users=${users} actions=${actions} message=${message} />
          ${message.error && html`<${Failure} actions=${actions} message=${message} />`}
        </div>
        ${!message.isEcho && !message.recalled_at && html`
          <${Tools} me=${me} actions=${actions} message=${message} role=${role} />`}
      </li>`;
  }
}

/** The browser's translation replaces an element's text permanently, so each version gets a new element. */
function versionOf({ edited_at, recalled_at, pending }) {
  return [edited_at, recalled_at, pending?.client_id].map(textOf).join(' ');
}

function Bubble({ users, message, quoted, isMine, isRead, onJump }) {
  const isRecalled = Boolean(message.recalled_at);
  return html`
    <div class=${isRecalled ? 'bubble recalled' : 'bubble'} dir="auto">
      ${message.reply_to && !isRecalled && html`
        <${Quote} users=${users} quoted=${quoted} onClick=${() => onJump(seqOf(message.reply_to))} />`}
      <span class="text" key=${versionOf(message)} translate=${true}>${isRecalled ? t('recalled') : contentOf({ users }, message)}</span>
      <span class="meta">
        ${message.edited_at && !isRecalled ? `${t('edited')} · ` : ''}
        <time datetime=${textOf(message.created_at)} title=${full(message.created_at)}>${clock(message.created_at)}</time>
        ${isMine && !isRecalled && !message.error && html`<${Tick} message=${message} isRead=${isRead} />`}
      </span>
    </div>`;
}

/** Return the seq in a message's id, which is "conversation-seq". */
function seqOf(id) {
  return Number(textOf(id).split('-')[1]) || 0;
}

function Quote({ users, quoted, onClick }) {
  return html`
    <button type="button" class="quote" dir="auto" onClick=${onClick}>
      ${quoted && html`<strong dir="auto" translate=${false}>${nameOf({ users }, quoted.sender_id)}</strong>`}
      <span class="ellipsis">${quoted ? line({ users }, quoted) : '…'}</span>
    </button>`;
}

/** Return the state of an own message: sending, stored, or read by the peer (in private conversations). */
function Tick({ message, isRead }) {
  const [icon, text] = progress(message, isRead);
  return html`<span class=${`tick ${text}`} role="img" aria-label=${t(text)} title=${t(text)}>
    <${Icon} name=${icon} /></span>`;
}

function progress(message, isRead) {
  if (message.isEcho || message.pending) return ['clock', 'sending'];
  return isRead ? ['checks', 'read'] : ['check', 'sent'];
}

function Reactions({ me, users, actions, message }) {
  const reactions = reactionsOf(message, me);
  if (!reactions.length || message.recalled_at) return null;
  return html`
    <span class="reactions">
      ${reactions.map(({ emoji, count, ids, isMine }) => html`
        <button key=${emoji} class="chip" aria-pressed=${isMine} onClick=${() => actions.react(message, emoji, isMine)}
          title=${ids.map((id) => nameOf({ users }, id)).join(', ')}>${emoji} ${count}</button>`)}
    </span>`;
}

function Failure({ actions, message }) {
  const { client_id: waiting } = message.pending ?? message;
  return html`
    <span class="failure" role="alert"><${Icon} name="alert" />
      ${t('not_sent', { reason: message.error })}
      ${message.recalled_at && message.pending && html`<q dir="auto">${line({}, { ...message, recalled_at: null })}</q>`}
      <button class="link" onClick=${() => actions.retry(waiting)}>${t('retry')}</button>
      <button class="link" onClick=${() => actions.discard(waiting)}>${t('discard')}</button>
    </span>`;
}
