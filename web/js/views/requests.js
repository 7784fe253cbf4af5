// Pending contact requests and group invitations, above the list of conversations. Shows nothing if there are none.

import { listOf, textOf } from '../content.js';
import { html, Pure } from '../dom.js';
import { nameOf } from '../state/selectors.js';
import { explain, t } from '../strings.js';
import { Avatar } from './avatar.js';

export class Requests extends Pure {
  state = { contacts: [], invitations: [], error: '' };
  /** Keys of the requests with an answer in flight. */
  answered = new Set();

  componentDidMount() {
    this.load();
  }

  componentDidUpdate({ link, news }) {
    if (news !== this.props.news || (link !== this.props.link && this.props.link === 'live')) this.load();
  }

  load() {
    const { loadContactRequests, loadInvitations } = this.props.actions;
    this.fill('contacts', loadContactRequests);
    this.fill('invitations', loadInvitations);
  }

  /** A failed load is repeated with the next connection. */
  async fill(kind, load) {
    try {
      this.setState({ [kind]: listOf(await load()), error: '' });
    } catch {
      // Keep the list unchanged.
    }
  }

  /** Send an answer once for any number of clicks; `kind` is the list that contains the request. */
  async answer(kind, item, send) {
    if (this.answered.has(item)) return;
    this.answered.add(item);
    try {
      await send();
      this.setState({ [kind]: this.state[kind].filter((other) => other !== item), error: '' });
    } catch (error) {
      this.setState({ error: explain(error) });
    } finally {
      this.answered.delete(item);
    }
  }

  render({ users }, { contacts, invitations, error }) {
    if (!contacts.length && !invitations.length) return null;
    return html`
      <section class="requests" aria-label=${t('requests')}>
        ${contacts.map((item) => this.contact(item))}
        ${invitations.map((item) => this.invitation(item, users))}
        ${error && html`<p class="error" role="alert">${error}</p>`}
      </section>`;
  }

  contact(item) {
    const { id, user, message } = item;
    const name = nameOf({ users: { [user.id]: user } }, user.id);
    const send = (word) => this.answer('contacts', item, () => this.props.actions.answerContactRequest(id, word));
    return html`
      <${Request} key=${`contact ${id}`} face=${user.id} name=${name} text=${t('wants_contact', { name })}
        message=${message} onAccept=${() => send('accept')} onDecline=${() => send('reject')} />`;
  }

  invitation(item, users) {
    const { group_id, inviter_id } = item;
    const group = textOf(item.group_name) || t('group');
    const text = t('invites_you', { name: nameOf({ users }, inviter_id), group });
    const send = (word) => this.answer('invitations', item, () => this.props.actions.answerInvitation(group_id, word));
    return html`
      <${Request} key=${`group ${group_id}`} face=${group_id} name=${group} text=${text}
        onAccept=${() => send('accept')} onDecline=${() => send('decline')} />`;
  }
}

function Request({ face, name, text, message, onAccept, onDecline }) {
  return html`
    <div class="row request">
      <${Avatar} id=${face} name=${name} small />
      <span class="grow">
        <span class="ellipsis" dir="auto" title=${text}>${text}</span>
        ${message && html`<span class="muted ellipsis" dir="auto">${message}</span>`}
      </span>
      <button class="chip" onClick=${onAccept}>${t('accept')}</button>
      <button class="chip" onClick=${onDecline}>${t('decline')}</button>
    </div>`;
}
