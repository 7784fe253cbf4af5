// The users online; with a search, all matching accounts.

import { Component, html } from '../../dom.js';
import { Avatar } from '../../views/avatar.js';
import { t } from '../strings.js';
import { moment } from '../time.js';
import { Pages } from './pages.js';
import { Table } from './table.js';

/** Milliseconds without a key before the search is sent. */
const DELAY = 250;

export class Users extends Component {
  componentWillUnmount() {
    clearTimeout(this.timer);
  }

  search = (event) => {
    const query = event.target.value.trim();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.props.actions.search(query), DELAY);
  };

  render({ state, actions }) {
    const { users, query } = state;
    const items = users?.items ?? [];
    return html`
      <section aria-labelledby="users">
        <header class="row">
          <h2 id="users" class="grow">${query ? t('found') : t(users?.online === 1 ? 'online_one' : 'online_now', { count: users?.online ?? '–' })}</h2>
          <input type="search" placeholder=${t('search')} aria-label=${t('search')} value=${query} onInput=${this.search} />
        </header>
        <${Table} label=${t('users')} titles=${['name', 'username', 'state', 'last_seen'].map((title) => t(title))}>
          ${items.map((user) => html`<${User} key=${user.id} user=${user} />`)}
        <//>
        ${users && !items.length && html`<p class="muted empty">${t(query ? 'nobody_found' : 'nobody_online')}</p>`}
        <${Pages} cursors=${state.cursors} next=${users?.next_cursor} actions=${actions} />
      </section>`;
  }
}

function User({ user }) {
  return html`
    <tr data-user=${user.id}>
      <th scope="row"><a class="row" href=${`#/users/${user.id}`}>
        <${Avatar} id=${user.id} name=${user.nickname} small /><span class="ellipsis">${user.nickname}</span></a></th>
      <td>${user.username}</td>
      <td><${UserState} user=${user} /></td>
      <td>${user.is_online ? '–' : moment(user.last_seen_at)}</td>
    </tr>`;
}

/** Return the state of an account: online, offline, disabled, operator. */
export function UserState({ user }) {
  const state = user.disabled_at ? 'disabled' : user.is_online ? 'online' : 'offline';
  return html`
    <span class=${`state ${state}`}>${t(state)}</span>
    ${user.is_operator && html`<span class="state operator">${t('operator')}</span>`}`;
}
