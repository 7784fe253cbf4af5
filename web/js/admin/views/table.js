// A table that scrolls by itself where the window is too narrow, with the keyboard too.

import { html } from '../../dom.js';

export function Table({ label, titles, children }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table>
        <thead><tr>${titles.map((title) => (title ? html`<th scope="col">${title}</th>` : html`<td></td>`))}</tr></thead>
        <tbody>${children}</tbody>
      </table>
    </div>`;
}
