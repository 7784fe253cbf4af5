// The log of administrative acts.

import { html } from '../../dom.js';
import { known, t } from '../strings.js';
import { moment } from '../time.js';
import { Pages } from './pages.js';
import { Table } from './table.js';

export function Acts({ state, actions }) {
  const items = state.acts?.items ?? [];
  return html`
    <section aria-labelledby="acts">
      <h2 id="acts">${t('acts')}</h2>
      <${Table} label=${t('acts')} titles=${['when', 'actor', 'what', 'target', 'from'].map((title) => t(title))}>
        ${items.map((act) => html`<${Act} key=${act.id} act=${act} />`)}
      <//>
      ${state.acts && !items.length && html`<p class="muted empty">${t('no_acts')}</p>`}
      <${Pages} cursors=${state.cursors} next=${state.acts?.next_cursor} actions=${actions} />
    </section>`;
}

function Act({ act: { at, name, action, target, ip } }) {
  return html`
    <tr>
      <td>${moment(at)}</td>
      <th scope="row">${name}</th>
      <td>${known(`act_${action}`) ? t(`act_${action}`) : action}</td>
      <td>${target || '–'}</td>
      <td>${ip || '–'}</td>
    </tr>`;
}
