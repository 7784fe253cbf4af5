// The timeline of a conversation. Scrolling loads what is older or newer than the messages that the page holds; the end
// stays in sight while one is there, and else the message that is being read stays where it is.

import { isId, textOf } from '../content.js';
import { Component, createRef, html } from '../dom.js';
import { echoes, title, unread, withPendingEdit } from '../state/selectors.js';
import { t } from '../strings.js';
import { day, millis, sameDay } from '../time.js';
import { Boundary } from './boundary.js';
import { Message, SystemLine, Unshowable } from './message.js';

/** Pixels from the end within which one counts as being at the end. */
const NEAR_END = 60;
/** Pixels from the beginning or the end of what is held at which more is asked for. */
const NEAR_EDGE = 400;
/** Milliseconds between two messages of one person that are shown as one run. */
const RUN = 5 * 60_000;

export class MessageList extends Component {
  scroller = createRef();
  isAtEnd = true;

  // The list is laid out from its end (column-reverse): scrollTop is 0 there and negative above.
  scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller.current;
    this.setAtEnd(scrollTop > -NEAR_END);
    if (scrollHeight + scrollTop - clientHeight < NEAR_EDGE) this.loadOlder();
    else if (-scrollTop < NEAR_EDGE) this.loadNewer();
  };

  toEnd = () => {
    this.props.actions.toNewest(this.props.conversation.id).catch(() => {}); // the next click tries again
    this.scroller.current.scrollTop = 0;
  };

  setAtEnd(isAtEnd) {
    if (isAtEnd === this.isAtEnd) return;
    this.isAtEnd = isAtEnd;
    this.props.actions.setAtEnd(isAtEnd);
    this.forceUpdate();
  }

  loadOlder() {
    this.props.actions.loadOlder(this.props.conversation.id).catch(() => {}); // the next scroll tries again
  }

  loadNewer() {
    this.props.actions.loadNewer(this.props.conversation.id).catch(() => {}); // the next scroll tries again
  }

  /** The first message in sight and its place: what must not move when messages at either end come or go. */
  getSnapshotBeforeUpdate({ state, conversation }) {
    if (this.isAtEnd && !state.timelines[conversation.id]?.has_newer) return null;
    const { top } = this.scroller.current.getBoundingClientRect();
    const rows = [...this.scroller.current.querySelectorAll('[data-seq]')];
    const row = rows.find((each) => each.getBoundingClientRect().bottom > top);
    return row ? { row, top: row.getBoundingClientRect().top } : null;
  }

  componentDidMount() {
    this.props.actions.setAtEnd(true);
  }

  componentDidUpdate(before, _state, anchor) {
    if (anchor?.row.isConnected) this.scroller.current.scrollTop += anchor.row.getBoundingClientRect().top - anchor.top;
    if (this.scroller.current.scrollHeight <= this.scroller.current.clientHeight) this.loadOlder();
    if (waiting(before) < waiting(this.props)) this.toEnd();
  }

  render({ state, actions, conversation }) {
    const timeline = state.timelines[conversation.id];
    const held = timeline?.messages ?? [];
    const messages = [...held.map((message) => withPendingEdit(state, message)), ...echoes(state, conversation.id)];
    const isEmpty = timeline && !timeline.has_more && !messages.length;
    return html`
      <div class="timeline" ref=${this.scroller} onScroll=${this.scrolled} tabindex="0" role="log"
        aria-label=${title(state, conversation)}>
        <ol>
          ${isEmpty && html`<li class="muted empty">${t('nothing_said')}</li>`}
          ${messages.map((message, index) => this.row(message, messages[index - 1], messages[index + 1]))}
        </ol>
      </div>
      ${(timeline?.has_newer || (!this.isAtEnd && unread(conversation) > 0)) && html`
        <button class="to-end primary" onClick=${this.toEnd}>${t('new_messages')}</button>`}`;
  }

  row(message, before, after) {
    const { state, actions, conversation } = this.props;
    const heading = before && sameDay(before.created_at, message.created_at) ? null : day(message.created_at);
    const View = message.type === 'system' ? SystemLine : Message;
    return html`
      ${heading && html`<li class="day" key=${`day ${message.seq}`}><span>${heading}</span></li>`}
      <${Boundary} key=${keyOf(message)} of=${message} fallback=${html`<${Unshowable} message=${message} />`}>
        <${View} state=${state} actions=${actions} conversation=${conversation} message=${message}
          isFirst=${heading || !isRun(before, message)} isLast=${!after || !isRun(message, after)} />
      <//>`;
  }
}

/** A message keeps its element when the server's version takes the place of the echo. */
function keyOf(message) {
  const { sender_id, client_id, seq } = message;
  return isId(sender_id) && textOf(client_id) ? `${sender_id} ${client_id}` : seq;
}

function isRun(one, next) {
  if (!one || one.sender_id !== next.sender_id || one.type === 'system' || next.type === 'system') return false;
  return millis(next.created_at) - millis(one.created_at) < RUN;
}

function waiting({ state, conversation }) {
  return echoes(state, conversation.id).length;
}
