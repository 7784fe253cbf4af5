// The timeline of a conversation. It opens at the first unread message. Scrolling loads messages older or newer than
// the loaded ones. A user at the end stays at the end; otherwise the message in view keeps its position.

import { createRef, html, Pure } from '../dom.js';
import { echoes, unread, withPendingEdit } from '../state/selectors.js';
import { t } from '../strings.js';
import { rowsOf } from './rows.js';

/** Pixels from the end within which the user counts as being at the end. */
const NEAR_END = 60;
/** Pixels from either end of the loaded messages at which more are loaded. */
const NEAR_EDGE = 400;
/** Milliseconds between two checks of the messages in view during scrolling. */
const LOOK_EVERY = 100;

export class MessageList extends Pure {
  state = { hasFailed: false };
  scroller = createRef();
  /** The seq of the first message that was unread when the conversation was opened; 0 for none. */
  firstUnread = unread(this.props.conversation) > 0 ? this.props.conversation.read_seq + 1 : 0;
  /** Whether the list must still be scrolled to that message. */
  isLanding = this.firstUnread > 0;
  isAtEnd = !this.isLanding;

  // The list is laid out from its end (column-reverse): scrollTop is 0 there and negative above.
  scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller.current;
    this.setAtEnd(scrollTop > -NEAR_END);
    if (scrollHeight + scrollTop - clientHeight < NEAR_EDGE) this.loadOlder();
    else if (-scrollTop < NEAR_EDGE) this.loadNewer();
    this.looking ??= setTimeout(this.look, LOOK_EVERY);
  };

  toEnd = () => {
    this.isLanding = false;
    this.props.actions.toNewest(this.props.conversation.id).catch(() => {}); // the next click retries
    this.scroller.current.scrollTop = 0;
    this.scrolled();
  };

  setAtEnd(isAtEnd) {
    if (isAtEnd === this.isAtEnd) return;
    this.isAtEnd = isAtEnd;
    this.props.actions.setAtEnd(isAtEnd);
    this.forceUpdate();
  }

  /** Report the newest message that has been in view: all messages above it count as read. */
  look = () => {
    clearTimeout(this.looking);
    this.looking = null;
    if (!this.isLanding) this.props.actions.setSeen(this.props.conversation.id, this.newestInSight());
  };

  newestInSight() {
    const { timeline, conversation } = this.props;
    if (this.isAtEnd && timeline && !timeline.has_newer) return conversation.last_seq;
    const { bottom } = this.scroller.current.getBoundingClientRect();
    const row = [...this.rows()].findLast((each) => each.getBoundingClientRect().top < bottom - NEAR_END / 2);
    return Number(row?.dataset.seq) || 0;
  }

  rows() {
    return this.scroller.current.querySelectorAll('[data-seq]');
  }

  loadOlder = () => this.load(this.props.actions.loadOlder);

  loadNewer = () => this.load(this.props.actions.loadNewer);

  /** A failed page is requested again at the next scroll, or by the button of an empty list. */
  async load(page) {
    try {
      await page(this.props.conversation.id);
      if (this.scroller.current) this.setState({ hasFailed: false });
    } catch {
      if (this.scroller.current) this.setState({ hasFailed: true });
    }
  }

  /** Load the first unread message, which may be far above the newest page, and scroll to it. */
  async land() {
    const { actions, conversation } = this.props;
    try {
      await actions.jumpTo(conversation.id, this.firstUnread);
      this.isLoaded = true;
      this.forceUpdate();
    } catch {
      if (this.scroller.current) this.setState({ hasFailed: true });
    }
  }

  reachLanding() {
    this.isLanding = false;
    this.scroller.current.querySelector('.new')?.scrollIntoView({ block: 'start' });
    this.scrolled();
    this.look();
  }

  jump = async (seq) => {
    if (!seq) return;
    const isHeld = await this.props.actions.jumpTo(this.props.conversation.id, seq).catch(() => false);
    if (isHeld) requestAnimationFrame(() => this.showRow(seq));
  };

  showRow(seq) {
    const row = [...this.rows()].find((each) => Number(each.dataset.seq) === seq);
    row?.scrollIntoView({ block: 'center' });
    row?.animate([{ opacity: 0.3 }, { opacity: 1 }], 800);
  }

  /** Return the first message in view and its position, which must not move when messages at either end change. */
  getSnapshotBeforeUpdate({ timeline }) {
    if (this.isAtEnd && !timeline?.has_newer) return null;
    const { top } = this.scroller.current.getBoundingClientRect();
    const row = [...this.rows()].find((each) => each.getBoundingClientRect().bottom > top);
    return row ? { row, top: row.getBoundingClientRect().top } : null;
  }

  componentDidMount() {
    this.props.actions.setAtEnd(this.isAtEnd);
    if (this.isLanding) this.land();
    else this.look();
  }

  componentDidUpdate(before, _state, anchor) {
    const list = this.scroller.current;
    if (anchor?.row.isConnected) list.scrollTop += anchor.row.getBoundingClientRect().top - anchor.top;
    if (this.isLanding && this.isLoaded) this.reachLanding();
    if (!this.state.hasFailed && this.props.timeline?.has_more && list.scrollHeight <= list.clientHeight) this.loadOlder();
    if (sending(before) < sending(this.props)) this.toEnd();
    if (this.isAtEnd) this.look();
  }

  componentWillUnmount() {
    clearTimeout(this.looking);
  }

  /** Return loaded messages with pending edits, and pending messages; the same objects until a pending one changes. */
  messages({ timeline, outbox, me, conversation }) {
    if (outbox !== this.shown?.outbox) this.shown = { outbox, echoes: echoes({ outbox, me: { id: me } }, conversation.id) };
    const held = timeline?.messages ?? [];
    return [...(outbox.length ? held.map((message) => withPendingEdit({ outbox }, message)) : held), ...this.shown.echoes];
  }

  render({ timeline, outbox, name, conversation, ...shared }, { hasFailed }) {
    const messages = this.messages(this.props);
    const rows = { ...shared, conversation, messages, firstUnread: this.firstUnread, onJump: this.jump };
    return html`
      <div class="timeline" ref=${this.scroller} onScroll=${this.scrolled} tabindex="0" role="log" aria-label=${name}>
        <ol>
          ${!messages.length && html`<${Empty} timeline=${timeline} hasFailed=${hasFailed} onRetry=${this.loadOlder} />`}
          ${rowsOf(rows)}
        </ol>
      </div>
      ${(timeline?.has_newer || (!this.isAtEnd && unread(conversation) > 0)) && html`
        <button class="to-end primary" onClick=${this.toEnd}>${t('new_messages')}</button>`}`;
  }
}

/** Return the number of pending messages. */
function sending({ outbox }) {
  return outbox.filter(({ edit_of }) => edit_of === undefined).length;
}

/** The text of an empty list: no messages, loading, or failed. */
function Empty({ timeline, hasFailed, onRetry }) {
  if (timeline && !timeline.has_more) return html`<li class="muted empty">${t('nothing_said')}</li>`;
  if (!hasFailed) return html`<li class="muted empty">${t('loading')}</li>`;
  return html`
    <li class="muted empty" role="alert">${t('not_loaded')}${' '}
      <button class="link" onClick=${onRetry}>${t('try_again')}</button></li>`;
}
