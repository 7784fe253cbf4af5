// Asked before a log-out that would drop messages which the server does not have.

import { Component, createRef, html } from '../dom.js';
import { t } from '../strings.js';

export class Leaving extends Component {
  dialog = createRef();

  componentDidMount() {
    this.dialog.current.showModal();
  }

  render({ unsent, actions }) {
    return html`
      <dialog ref=${this.dialog} onClose=${actions.stay} aria-label=${t('log_out')}>
        <h2>${t('log_out')}</h2>
        <p>${t('unsent_at_log_out', { count: unsent })}</p>
        <p class="row">
          <button class="primary" onClick=${actions.stay}>${t('stay')}</button>
          <button class="link" onClick=${() => actions.logOut({ anyway: true })}>${t('log_out_anyway')}</button>
        </p>
      </dialog>`;
  }
}
