// The whole page: the log-in, or the views under one head.

import { html } from '../../dom.js';
import { Icon } from '../../views/icons.js';
import { t } from '../strings.js';
import { time } from '../time.js';
import { Acts } from './acts.js';
import { Login } from './login.js';
import { Overview } from './overview.js';
import { User } from './user.js';
import { Users } from './users.js';

const VIEWS = { overview: Overview, users: Users, user: User, acts: Acts };
/** The entries of the head, and the views of each. */
const PARTS = { overview: ['overview'], users: ['users', 'user'], acts: ['acts'] };

export function App({ state, actions }) {
  if (!state.me) return html`<${Login} actions=${actions} notice=${state.notice?.text} />`;
  const { name, id } = state.view;
  return html`
    <div class="admin" translate=${false}>
      <${Head} state=${state} actions=${actions} />
      <main>
        ${state.link === 'down' && html`
          <p class="away" role="alert">${t('away', { when: state.seenAt ? time(state.seenAt) : '–' })}</p>`}
        <${VIEWS[name]} key=${id ?? name} state=${state} actions=${actions} />
      </main>
      <${Notice} notice=${state.notice} onClose=${actions.dismiss} />
    </div>`;
}

/** A success fades by itself; a failure is closed by the operator. */
function Notice({ notice, onClose }) {
  return html`
    <div role="status">${notice && !notice.isWarning && html`<p class="toast">${notice.text}</p>`}</div>
    ${notice?.isWarning && html`
      <p class="toast row" role="alert"><span class="grow">${notice.text}</span>
        <button class="round" aria-label=${t('dismiss')} onClick=${onClose}><${Icon} name="close" /></button></p>`}`;
}

function Head({ state, actions }) {
  return html`
    <header class="head">
      <h1><img src="/web/css/icon.svg" alt="" width="28" height="28" />${t('title')}</h1>
      <nav aria-label=${t('title')}>
        ${Object.entries(PARTS).map(([name, views]) => html`
          <a href=${`#/${name}`} aria-current=${views.includes(state.view.name) ? 'page' : null}>${t(name)}</a>`)}
      </nav>
      <span class=${`link-state ${state.link}`} role="status">${t(`link_${state.link}`)}</span>
      <span class="muted ellipsis">${state.me.username}</span>
      <button class="round" title=${t('log_out')} aria-label=${t('log_out')} onClick=${actions.logOut}>
        <${Icon} name="logout" /></button>
    </header>`;
}
