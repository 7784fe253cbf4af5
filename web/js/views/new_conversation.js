// A dialog to find people: one click starts a private chat; several people and a name make a group.

import { Component, createRef, html } from '../dom.js';
import { explain, t } from '../strings.js';
import { newId } from '../tab.js';
import { Avatar } from './avatar.js';
import { Icon } from './icons.js';

/** Milliseconds without a key before the search is sent. */
const DELAY = 250;

export class NewConversation extends Component {
  state = { isGroup: false, query: '', found: null, members: [], name: '', error: '', isBusy: false };
  dialog = createRef();

  componentDidMount() {
    this.dialog.current.showModal();
  }

  componentWillUnmount() {
    clearTimeout(this.timer);
  }

  search = (event) => {
    const query = event.target.value;
    this.setState({ query });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.attempt(this.find), DELAY);
  };

  find = async () => {
    const query = this.state.query.trim();
    const found = query ? await this.props.actions.searchUsers(query) : null;
    if (query === this.state.query.trim()) this.setState({ found });
  };

  pick = (user) => {
    if (!this.state.isGroup) return this.finish(() => this.props.actions.startPrivate(user.id));
    const { members } = this.state;
    const rest = members.filter(({ id }) => id !== user.id);
    return this.setState({ members: rest.length < members.length ? rest : [...members, user] });
  };

  create = (event) => {
    event.preventDefault();
    const { name, members } = this.state;
    const ids = members.map(({ id }) => id);
    return this.finish(() => this.props.actions.createGroup(name.trim(), ids, this.keyOf(name, ids)));
  };

  /** A key for each requested group: the server creates one group even if the request is repeated. */
  keyOf(...group) {
    const wanted = JSON.stringify(group);
    if (this.sent?.wanted !== wanted) this.sent = { wanted, key: newId() };
    return this.sent.key;
  }

  /** Run the action once for any number of clicks, and close. */
  async finish(task) {
    if (this.isBusy) return;
    this.setBusy(true);
    const isDone = await this.attempt(task);
    this.setBusy(false);
    if (isDone) this.dialog.current?.close(); // the user may have closed it meanwhile
  }

  /** The field stops a second click; the state informs the view. */
  setBusy(isBusy) {
    this.isBusy = isBusy;
    this.setState({ isBusy });
  }

  attempt = async (task) => {
    try {
      this.setState({ error: '' });
      await task();
      return true;
    } catch (error) {
      this.setState({ error: explain(error) });
      return false;
    }
  };

  render({ state, onClose }, { isGroup, found, members, error, isBusy }) {
    const others = found?.filter(({ id }) => id !== state.me.id);
    return html`
      <dialog ref=${this.dialog} onClose=${onClose} aria-label=${t('new_conversation')}>
        <header class="row">
          <h2 class="grow">${t('new_conversation')}</h2>
          <button class="round" aria-label=${t('close')} onClick=${() => this.dialog.current.close()}>
            <${Icon} name="close" /></button>
        </header>
        <div class="tabs" role="group" aria-label=${t('new_conversation')}>
          ${['private_chat', 'group'].map((kind) => html`
            <button aria-pressed=${(kind === 'group') === isGroup}
              onClick=${() => this.setState({ isGroup: kind === 'group' })}>${t(kind)}</button>`)}
        </div>
        ${isGroup && html`<${GroupForm} members=${members} isBusy=${isBusy} onSubmit=${this.create} onRemove=${this.pick}
          onName=${(name) => this.setState({ name })} />`}
        <input type="search" class="wide" placeholder=${t('search_people')} aria-label=${t('search_people')}
          onInput=${this.search} autofocus />
        <p class="error" role="alert">${error}</p>
        <ul class="found">
          ${others?.map((user) => html`
            <${Found} key=${user.id} user=${user} onPick=${this.pick}
              isPicked=${members.some(({ id }) => id === user.id)} />`)}
          ${others?.length === 0 && html`<li class="muted empty">${t('no_results')}</li>`}
        </ul>
      </dialog>`;
  }
}

function Found({ user, isPicked, onPick }) {
  return html`
    <li><button class="entry" aria-pressed=${isPicked} onClick=${() => onPick(user)}>
      <${Avatar} id=${user.id} name=${user.nickname || user.username} />
      <span class="grow">
        <strong class="ellipsis" dir="auto">${user.nickname}</strong>
        <span class="muted ellipsis">@${user.username}</span>
      </span>
      ${isPicked && html`<${Icon} name="check" />`}
    </button></li>`;
}

function GroupForm({ members, isBusy, onSubmit, onRemove, onName }) {
  return html`
    <form class="row" onSubmit=${onSubmit}>
      <input class="grow" required dir="auto" placeholder=${t('group_name')} aria-label=${t('group_name')}
        onInput=${(event) => onName(event.target.value)} />
      <button class="primary" disabled=${isBusy}>${t('create_group')}</button>
    </form>
    <p class="chips">
      ${members.map((user) => html`
        <button class="chip" type="button" translate=${false} onClick=${() => onRemove(user)}><bdi>${user.nickname}</bdi> ×</button>`)}
    </p>`;
}
