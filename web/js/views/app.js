// The whole page: welcome, or the list beside the open conversation (on a phone: one of the two).

import { html } from '../dom.js';
import { t } from '../strings.js';
import { Chat } from './chat.js';
import { Confirm } from './confirm.js';
import { Icon } from './icons.js';
import { Sidebar } from './sidebar.js';
import { Welcome } from './welcome.js';

export function App({ state, actions }) {
  if (!state.me) return html`<${Welcome} actions=${actions} notice=${state.notice?.text} />`;
  const conversation = state.conversations[state.open];
  // The browser's translation replaces text nodes, and the replacements are not updated: names and states are excluded,
  // only the texts of messages may be translated.
  return html`
    <div class=${conversation ? 'frame has-open' : 'frame'} translate=${false}>
      <${Sidebar} state=${state} actions=${actions} />
      ${state.notice && html`<${Notice} ...${state.notice} onClose=${actions.closeNotice} />`}
      ${state.leaving && html`
        <${Confirm} title=${t('log_out_title')} text=${t('log_out_text', { count: state.leaving })} word=${t('log_out')}
          onYes=${() => actions.logOut({ anyway: true })} onClose=${actions.stay} />`}
      ${conversation
        ? html`<${Chat} key=${conversation.id} state=${state} actions=${actions} conversation=${conversation} />`
        : html`<${Nothing} />`}
    </div>`;
}

function Notice({ text, stays, onClose }) {
  return html`
    <p class="toast" role="alert" dir="auto">${text}
      ${stays && html`<button class="link" onClick=${onClose}>${t('close')}</button>`}</p>`;
}

function Nothing() {
  return html`
    <main class="chat nothing">
      <div>
        <${Icon} name="people" />
        <p><strong>${t('pick_one')}</strong></p>
        <p>${t('pick_one_hint')}</p>
      </div>
    </main>`;
}
