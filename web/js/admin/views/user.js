// One user: sessions and connections, with buttons to end them.

import { Component, html } from '../../dom.js';
import { Avatar } from '../../views/avatar.js';
import { Icon } from '../../views/icons.js';
import { t } from '../strings.js';
import { moment } from '../time.js';
import { Confirm } from '../../views/confirm.js';
import { Table } from './table.js';
import { UserState } from './users.js';

export class User extends Component {
  state = { question: null };

  ask = (question) => this.setState({ question });

  askEnd = (session) => this.ask({
    title: t('end_session_title'), text: t('end_session_text', { device: nameOf(session) }), word: t('end_session'),
    onYes: () => this.props.actions.endSession(session.id),
  });

  askDisable = (user) => this.ask({
    title: t('disable_title', { name: user.username }), text: t('disable_text'), word: t('disable'),
    onYes: () => this.props.actions.disable(user),
  });

  render({ state, actions }, { question }) {
    if (!state.sessions) return null;
    const { user, items } = state.sessions;
    const titles = ['device', 'platform', 'address', 'last_used', 'connections', null];
    return html`
      <section aria-labelledby="user">
        <header class="row">
          <a class="round" href="#/users" title=${t('back')} aria-label=${t('back')}><${Icon} name="back" /></a>
          <${Avatar} id=${user.id} name=${user.nickname} />
          <div class="grow">
            <h2 id="user" class="ellipsis">${user.nickname}</h2>
            <p class="row"><span class="muted">@${user.username}</span><${UserState} user=${user} /></p>
          </div>
          ${user.disabled_at
            ? html`<button class="chip" onClick=${() => actions.enable(user)}>${t('enable')}</button>`
            : user.id !== state.me.id && html`
              <button class="chip" onClick=${() => this.askDisable(user)}>${t('disable')}</button>`}
        </header>
        <${Table} label=${t('sessions')} titles=${titles.map((title) => title && t(title))}>
          ${items.map((one) => html`
            <${Session} key=${one.id} session=${one} onEnd=${this.askEnd} onDisconnect=${actions.disconnect} />`)}
        <//>
        ${!items.length && html`<p class="muted empty">${t('no_sessions')}</p>`}
        ${question && html`<${Confirm} ...${question} onClose=${() => this.ask(null)} />`}
      </section>`;
  }
}

function Session({ session, onEnd, onDisconnect }) {
  return html`
    <tr data-session=${session.id}>
      <th scope="row" title=${session.user_agent}>${nameOf(session)}</th>
      <td>${session.platform || '–'}</td>
      <td>${session.ip || '–'}</td>
      <td>${moment(session.last_used_at)}</td>
      <td>
        <ul>${session.connections.map((one) => html`
          <li class="row" key=${one.sid}>
            <span>${t('connected', { node: one.node_id, when: moment(one.since) })}</span>
            <button class="link" onClick=${() => onDisconnect(one.sid)}>${t('disconnect')}</button>
          </li>`)}</ul>
        ${!session.connections.length && html`<span class="muted">${t('not_connected')}</span>`}
      </td>
      <td class="number"><button class="chip" onClick=${() => onEnd(session)}>${t('end_session')}</button></td>
    </tr>`;
}

function nameOf({ id, device_name }) {
  return device_name || `#${id}`;
}
