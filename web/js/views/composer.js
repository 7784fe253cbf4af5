// The line to write on. Enter sends, Shift+Enter begins a new line; it grows with what is written.

import { Component, createRef, html } from '../dom.js';
import { t } from '../strings.js';
import { Icon } from './icons.js';

export class Composer extends Component {
  state = { text: this.props.initial };
  area = createRef();

  componentDidMount() {
    // On a phone the focus would open the keyboard before anything was read.
    if (matchMedia('(hover: hover)').matches || this.props.initial) this.area.current.focus();
    this.grow();
  }

  componentDidUpdate(before) {
    if (this.props.context && !before.context) this.area.current.focus();
  }

  componentWillUnmount() {
    this.props.onStop();
    this.props.onDraft?.(this.state.text);
  }

  typed = (event) => {
    const text = event.target.value;
    this.setState({ text }, this.grow);
    if (text.trim()) this.props.onTyping();
    else this.props.onStop();
  };

  grow = () => {
    const area = this.area.current;
    area.style.height = '';
    if (this.state.text) area.style.height = `${area.scrollHeight}px`;
  };

  pressed = (event) => {
    if (event.key === 'Escape') this.props.onLeave();
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.submit();
  };

  submit = (event) => {
    event?.preventDefault();
    const text = this.state.text.trim();
    if (!text) return;
    this.setState({ text: '' }, this.grow);
    this.props.onSubmit(text);
    this.area.current.focus();
  };

  render({ context, onLeave }, { text }) {
    return html`
      <form class="composer" onSubmit=${this.submit}>
        ${context && html`
          <p class="context"><span class="grow ellipsis">${context}</span>
            <button type="button" class="round" aria-label=${t('cancel')} onClick=${onLeave}>
              <${Icon} name="close" /></button></p>`}
        <div class="row">
          <textarea ref=${this.area} rows="1" maxlength="8000" aria-label=${t('write')} placeholder=${t('write')}
            value=${text} onInput=${this.typed} onKeyDown=${this.pressed}></textarea>
          <button class="round primary" aria-label=${t('send')} disabled=${!text.trim()}><${Icon} name="send" /></button>
        </div>
      </form>`;
  }
}
