// Logging in and creating an account: one card with two forms.

import { request } from '../api.js';
import { Component, html } from '../dom.js';
import { explain, t } from '../strings.js';

export class Welcome extends Component {
  state = { isNew: false, busy: false, error: '', registration: 'open' };

  /** Load the registration mode; ignore failures, which the log-in will report. */
  async componentDidMount() {
    const config = await request('GET', '/api/config').catch(() => null);
    if (config) this.setState({ registration: config.features.registration ?? 'open' });
  }

  submit = async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value));
    this.setState({ busy: true, error: '' });
    try {
      await (this.state.isNew ? this.props.actions.register(fields) : this.props.actions.logIn(fields));
    } catch (error) {
      this.setState({ busy: false, error: explain(error) });
    }
  };

  toggle = () => this.setState({ isNew: !this.state.isNew, error: '' });

  render({ notice }, { isNew, busy, error, registration }) {
    return html`
      <main class="welcome">
        <form class="card" onSubmit=${this.submit}>
          <h1><img src="/web/css/icon.svg" alt="" width="40" height="40" />imapp</h1>
          <p class="muted">${t('tagline')}</p>
          <${Field} name="username" label=${t('username')} autocomplete="username" required />
          ${isNew && html`<${Field} name="nickname" label=${t('nickname')} autocomplete="nickname" />`}
          <${Field} name="password" label=${t('password')} type="password" required
            autocomplete=${isNew ? 'new-password' : 'current-password'} />
          ${isNew && registration === 'invitation' &&
            html`<${Field} name="invitation" label=${t('invitation')} autocomplete="off" required />`}
          <p class="error" role="alert" key=${error || notice}>${error || notice}</p>
          <button class="primary" key=${isNew} disabled=${busy}>${t(isNew ? 'register' : 'log_in')}</button>
          ${registration !== 'closed' && html`
            <p class="muted" key=${`or ${isNew}`}>
              ${t(isNew ? 'have_account' : 'no_account')}${' '}
              <button type="button" class="link" onClick=${this.toggle}>${t(isNew ? 'log_in' : 'register')}</button>
            </p>`}
        </form>
      </main>`;
  }
}

function Field({ label, ...input }) {
  return html`
    <label class="field"><span>${label}</span>
      <input dir="auto" autocapitalize="none" spellcheck=${false} ...${input} />
    </label>`;
}
