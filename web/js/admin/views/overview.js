// The current nodes, and the last hours as charts.

import { Component, html } from '../../dom.js';
import { t } from '../strings.js';
import { series } from '../series.js';
import { Chart } from './chart.js';
import { Confirm } from '../../views/confirm.js';
import { moment } from '../time.js';
import { Table } from './table.js';

const HOURS = [1, 6, 24];

export function Overview({ state, actions }) {
  return html`
    <${Nodes} nodes=${state.nodes} actions=${actions} />
    <section aria-labelledby="history">
      <header class="row">
        <h2 id="history" class="grow">${t('history')}</h2>
        <div class="row" role="group" aria-label=${t('history')}>
          ${HOURS.map((hours) => html`
            <button class="chip" aria-pressed=${hours === state.hours} onClick=${() => actions.setHours(hours)}>
              ${t('hours', { count: hours })}</button>`)}
        </div>
      </header>
      ${state.history?.points.length
        ? html`<div class="charts">${series(state.history).map((one) => html`<${Chart} key=${one.title} ...${one} />`)}</div>`
        : html`<p class="muted empty">${t('no_history')}</p>`}
    </section>`;
}

class Nodes extends Component {
  state = { draining: null };

  ask = (draining) => this.setState({ draining });

  /** The server refuses to drain the only node, because its clients could not connect to another one. */
  askDrain = (node) => {
    const isOnly = this.props.nodes.filter(({ state }) => state === 'up').length === 1;
    if (isOnly) this.props.actions.warn(t('drain_only', { name: node.id }));
    else this.ask(node);
  };

  render({ nodes, actions }, { draining }) {
    const titles = ['node', 'state', 'connections', 'users_online', 'memory', 'up_since', 'version', 'address', null];
    return html`
      <section aria-labelledby="nodes">
        <h2 id="nodes">${t('nodes')}</h2>
        <${Table} label=${t('nodes')} titles=${titles.map((title) => title && t(title))}>
          ${nodes.map((node) => html`<${Node} key=${node.id} node=${node} onDrain=${this.askDrain} />`)}
        <//>
        ${draining && html`
          <${Confirm} title=${t('drain_title', { name: draining.id })} word=${t('drain')}
            text=${t('drain_text', { count: draining.connections })}
            onYes=${() => actions.drain(draining.id)} onClose=${() => this.ask(null)} />`}
      </section>`;
  }
}

function Node({ node, onDrain }) {
  return html`
    <tr data-node=${node.id}>
      <th scope="row">${node.id}</th>
      <td><span class=${`state ${node.state}`}>${t(`state_${node.state}`)}</span></td>
      <td class="number">${node.connections}</td>
      <td class="number">${node.users}</td>
      <td class="number">${Math.round(node.rss_bytes / 2 ** 20)} MiB</td>
      <td>${moment(node.started_at)}</td>
      <td>${node.version}</td>
      <td>${node.host}:${node.port}</td>
      <td class="number">
        ${node.state === 'up' && html`
          <button class="chip" aria-label=${`${t('drain')}: ${node.id}`} onClick=${() => onDrain(node)}>
            ${t('drain')}</button>`}
      </td>
    </tr>`;
}
