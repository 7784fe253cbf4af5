// Requests for contact that wait for the user's answer, above the list of conversations; nothing when there are none.

import { listOf } from '../content.js';
import { html, Pure } from '../dom.js';
import { nameOf } from '../state/selectors.js';
import { explain, t } from '../strings.js';
import { Avatar } from './avatar.js';

export class ContactRequests extends Pure {
  state = { items: [], error: '' };

  componentDidMount() {
    this.load();
  }

  componentDidUpdate({ link, news }) {
    if (news !== this.props.news || (link !== this.props.link && this.props.link === 'live')) this.load();
  }

  load() {
    this.attempt(async () => this.setState({ items: listOf(await this.props.actions.loadContactRequests()) }), () => {});
  }

  answer(id, word) {
    this.attempt(async () => {
      await this.props.actions.answerContactRequest(id, word);
      this.setState({ items: this.state.items.filter((item) => item.id !== id) });
    }, (error) => this.setState({ error: explain(error) }));
  }

  async attempt(task, failed) {
    this.setState({ error: '' });
    try {
      await task();
    } catch (error) {
      failed(error);
    }
  }

  render(_props, { items, error }) {
    if (!items.length) return null;
    return html`
      <section class="requests" aria-label=${t('contact_requests')}>
        ${items.map(({ id, user, message }) => this.request(id, nameOf({ users: { [user.id]: user } }, user.id), user, message))}
        ${error && html`<p class="error" role="alert">${error}</p>`}
      </section>`;
  }

  request(id, name, user, message) {
    return html`
      <div class="row request" key=${id}>
        <${Avatar} id=${user.id} name=${name} small />
        <span class="grow">
          <span class="ellipsis" dir="auto">${t('wants_contact', { name })}</span>
          ${message && html`<span class="muted ellipsis" dir="auto">${message}</span>`}
        </span>
        <button class="chip" onClick=${() => this.answer(id, 'accept')}>${t('accept')}</button>
        <button class="chip" onClick=${() => this.answer(id, 'reject')}>${t('decline')}</button>
      </div>`;
  }
}
