// The rows of a timeline: messages, with a heading for each day and a line above the unread messages.

import { isId, textOf } from '../content.js';
import { html } from '../dom.js';
import { t } from '../strings.js';
import { day, millis, sameDay } from '../time.js';
import { Boundary } from './boundary.js';
import { Message, SystemLine, Unshowable } from './message.js';

/** Longest time in milliseconds between two messages of one user that are shown as one group. */
const RUN = 5 * 60_000;

export function rowsOf(list) {
  const bySeq = new Map(list.messages.map((message) => [message.id, message]));
  const firstUnread = list.firstUnread && list.messages.find(({ seq, isEcho }) => !isEcho && seq >= list.firstUnread);
  return list.messages.flatMap((message, index) => {
    const before = list.messages[index - 1];
    const heading = before && sameDay(before.created_at, message.created_at) ? null : day(message.created_at);
    const isUnread = message === firstUnread;
    const isFirst = heading !== null || isUnread || !isRun(before, message);
    const isLast = !isRun(message, list.messages[index + 1]);
    return [
      heading && html`<li class="day" key=${`day ${message.seq}`}><span>${heading}</span></li>`,
      isUnread && html`<li class="new" key="new"><span>${t('new_messages')}</span></li>`,
      row(list, message, { isFirst, isLast, quoted: bySeq.get(message.reply_to) ?? null }),
    ];
  });
}

function row({ me, users, actions, conversation, onJump }, message, place) {
  const isRead = conversation.type === 'private' && message.seq <= (conversation.peer_read_seq ?? 0);
  const View = message.type === 'system' ? SystemLine : Message;
  return html`
    <${Boundary} key=${keyOf(message)} of=${message} fallback=${html`<${Unshowable} message=${message} />`}>
      <${View} me=${me} users=${users} actions=${actions} role=${conversation.role} message=${message}
        isGroup=${conversation.type === 'group'} isRead=${isRead} onJump=${onJump} ...${place} />
    <//>`;
}

/** Return a key that keeps a message's element when the server's version replaces the echo. */
function keyOf({ sender_id, client_id, seq }) {
  return isId(sender_id) && textOf(client_id) ? `${sender_id} ${client_id}` : seq;
}

function isRun(one, next) {
  if (!one || !next || one.sender_id !== next.sender_id || one.type === 'system' || next.type === 'system') return false;
  return millis(next.created_at) - millis(one.created_at) < RUN;
}
