// A confirmation before an act that cannot be undone.

import { Component, createRef, html } from '../dom.js';
import { t } from '../strings.js';

export class Confirm extends Component {
  dialog = createRef();

  componentDidMount() {
    this.dialog.current.showModal();
  }

  close = () => this.dialog.current.close();

  yes = () => {
    this.close();
    this.props.onYes();
  };

  render({ title, text, word, onClose }) {
    return html`
      <dialog class="confirm" ref=${this.dialog} onClose=${onClose} aria-labelledby="question">
        <h2 id="question">${title}</h2>
        <p>${text}</p>
        <footer class="row">
          <button class="chip" autofocus onClick=${this.close}>${t('cancel')}</button>
          <button class="primary danger" onClick=${this.yes}>${word}</button>
        </footer>
      </dialog>`;
  }
}
