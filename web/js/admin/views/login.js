// The log-in: password, then a code; the first time, the second factor is set up in between.

import { Component, createRef, html } from '../../dom.js';
import { explain, t } from '../strings.js';

/** The server's demand after the password, and the step that fulfils it. */
const NEXT = { second_factor_required: 'code', second_factor_enrolment_required: 'enrol' };

export class Login extends Component {
  state = { step: 'password', busy: false, error: '' };
  /** Account and password, until the last step; in memory only. */
  known = {};

  form = createRef();

  componentDidUpdate(_props, { step }) {
    if (step !== this.state.step) this.form.current.querySelector('input, .primary').focus();
  }

  submit = async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target));
    this.setState({ busy: true, error: '' });
    try {
      await this[this.state.step]({ ...this.known, ...fields });
      this.setState({ busy: false });
    } catch (error) {
      this.setState({ busy: false, error: explain(error) });
    }
  };

  password = async (fields) => {
    this.known = fields;
    try {
      this.props.actions.begin(await this.props.actions.logIn(fields));
    } catch (error) {
      const step = NEXT[error.code];
      if (!step) throw error;
      const enrolment = step === 'enrol' ? await this.props.actions.beginEnrolment(fields) : null;
      this.setState({ step, enrolment });
    }
  };

  code = async (fields) => this.props.actions.begin(await this.props.actions.logIn(fields));

  enrol = async (fields) => {
    const answer = await this.props.actions.confirmEnrolment(fields);
    this.known = {};
    this.setState({ step: 'recovery', answer });
  };

  recovery = async () => this.props.actions.begin(this.state.answer);

  restart = () => {
    this.known = {};
    this.setState({ step: 'password', error: '' });
  };

  render({ notice }, { step, busy, error, enrolment, answer }) {
    return html`
      <main class="welcome">
        <form class="card" ref=${this.form} onSubmit=${this.submit}>
          <h1><img src="/web/css/icon.svg" alt="" width="40" height="40" />imapp</h1>
          <p class="muted">${t('for_operators')}</p>
          ${step === 'password' && html`<${Password} />`}
          ${step === 'code' && html`<${Code} key="code" />`}
          ${step === 'enrol' && html`<${Enrolment} ...${enrolment} />`}
          ${step === 'recovery' && html`<${Recovery} codes=${answer.recovery_codes} />`}
          <p class="error" role="alert">${error || notice}</p>
          <button class="primary" disabled=${busy}>
            ${t({ enrol: 'confirm_code', recovery: 'saved' }[step] ?? 'log_in')}</button>
          ${['code', 'enrol'].includes(step) && html`
            <button type="button" class="link" onClick=${this.restart}>${t('start_again')}</button>`}
        </form>
      </main>`;
  }
}

function Password() {
  return html`
    <${Field} name="account" label=${t('username')} autocomplete="username" required />
    <${Field} name="password" label=${t('password')} type="password" autocomplete="current-password" required />`;
}

function Code() {
  return html`
    <${Field} name="code" label=${t('code')} autocomplete="one-time-code" required />
    <p class="muted">${t('code_hint')}</p>`;
}

function Enrolment({ secret, qr }) {
  return html`
    <h2>${t('enrol')}</h2>
    <p class="muted">${t('enrol_hint')}</p>
    <svg class="qr" role="img" aria-label=${t('qr')} viewBox=${`0 0 ${qr.size} ${qr.size}`} shape-rendering="crispEdges">
      <path d=${qr.path} /></svg>
    <p><span class="muted">${t('secret')}</span><code class="secret">${secret.match(/.{4}/g).join(' ')}</code></p>
    <${Field} name="code" label=${t('code')} autocomplete="one-time-code" inputmode="numeric" required />`;
}

function Recovery({ codes }) {
  return html`
    <h2>${t('recovery')}</h2>
    <p class="muted">${t('recovery_hint')}</p>
    <ul class="codes">${codes.map((code) => html`<li><code>${code}</code></li>`)}</ul>`;
}

function Field({ label, ...input }) {
  return html`
    <label class="field"><span>${label}</span>
      <input maxlength="200" autocapitalize="none" spellcheck=${false} ...${input} />
    </label>`;
}
