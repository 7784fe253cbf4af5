// The input line, which grows with its text. With a keyboard Enter sends and Shift+Enter begins a new line. On a touch
// screen, which has no Shift+Enter, Enter begins a new line and the button sends.

import { config } from '../config.js';
import { Component, createRef, html } from '../dom.js';
import { t } from '../strings.js';
import { Icon } from './icons.js';

/** Number of remaining characters from which the page shows the remainder. */
const NEAR_LIMIT = 500;
/** The code that some browsers report for a key handled by an input method. */
const TAKEN_BY_INPUT_METHOD = 229;

const isTouch = matchMedia('(hover: none) and (pointer: coarse)');
const growsByItself = CSS.supports('field-sizing', 'content');

export class Composer extends Component {
  state = { text: this.props.initial };
  area = createRef();

  componentDidMount() {
    // On a phone the focus would open the keyboard before the user has read anything.
    if (matchMedia('(hover: hover)').matches || this.props.initial) this.area.current.focus();
    this.grow();
  }

  /** Skip rendering when a message arrives elsewhere on the page. */
  shouldComponentUpdate(props, { text }) {
    return text !== this.state.text || props.context !== this.props.context || props.quote !== this.props.quote;
  }

  componentDidUpdate(before) {
    if (this.props.context && !before.context) this.area.current.focus();
  }

  componentWillUnmount() {
    this.props.onStop();
    this.props.onKeep();
  }

  typed = (event) => {
    const text = event.target.value;
    this.setState({ text }, this.grow);
    this.props.onDraft?.(text);
    if (text.trim()) this.props.onTyping();
    else this.props.onStop();
  };

  /** Adjust the height; only for browsers that do not, since reading the height lays out the whole page. */
  grow = () => {
    if (growsByItself) return;
    const area = this.area.current;
    area.style.height = '';
    if (this.state.text) area.style.height = `${area.scrollHeight}px`;
  };

  /** A key of an input method only ends or leaves its composition. */
  pressed = (event) => {
    if (event.isComposing || event.keyCode === TAKEN_BY_INPUT_METHOD) return;
    if (event.key === 'Escape') this.props.onLeave();
    if (event.key !== 'Enter' || event.shiftKey || isTouch.matches) return;
    event.preventDefault();
    this.submit();
  };

  submit = (event) => {
    event?.preventDefault();
    const text = this.state.text.trim();
    if (!text || left(text) < 0) return;
    this.setState({ text: '' }, this.grow);
    this.props.onSubmit(text);
    this.area.current.focus();
  };

  render({ context, quote, onLeave }, { text }) {
    const rest = left(text.trim());
    return html`
      <form class="composer" onSubmit=${this.submit}>
        ${context && html`
          <div class="context"><p class="grow">
              <span class="ellipsis" translate=${false}>${context}</span>
              ${quote && html`<span class="ellipsis quoted" dir="auto">${quote}</span>`}</p>
            <button type="button" class="round" aria-label=${t('cancel')} onClick=${onLeave}>
              <${Icon} name="close" /></button></div>`}
        ${rest < 0 && html`<p class="error" role="alert">${t('too_long', { count: -rest })}</p>`}
        <div class="row">
          <textarea ref=${this.area} rows="1" dir="auto" aria-label=${t('write')} placeholder=${t('write')}
            enterkeyhint=${isTouch.matches ? 'enter' : 'send'} aria-invalid=${rest < 0}
            value=${text} onInput=${this.typed} onKeyDown=${this.pressed}></textarea>
          ${rest >= 0 && rest < NEAR_LIMIT && html`<span class="muted left">${t('left', { count: rest })}</span>`}
          <button class="round primary" aria-label=${t('send')} disabled=${!text.trim() || rest < 0}>
            <${Icon} name="send" /></button>
        </div>
      </form>`;
  }
}

/** Return the number of remaining characters. The server counts code points; an emoji may have several. */
function left(text) {
  const most = config.limits.message_text_max_chars;
  // There are never more code points than UTF-16 units in `length`: a short text needs no counting.
  return most - (text.length > most - NEAR_LIMIT ? [...text].length : text.length);
}
