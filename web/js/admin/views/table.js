// A table that scrolls within a narrow window, also by the keyboard; on a phone its rows are cards.

import { Component, createRef, html } from '../../dom.js';

export class Table extends Component {
  body = createRef();

  componentDidMount() {
    this.name();
  }

  componentDidUpdate() {
    this.name();
  }

  /** Give each cell the title of its column, for the card. */
  name() {
    for (const row of this.body.current.rows) {
      this.props.titles.forEach((title, index) => {
        if (title && row.cells[index]?.tagName === 'TD') row.cells[index].dataset.title = title;
      });
    }
  }

  render({ label, titles, children }) {
    return html`
      <div class="scroll" tabindex="0" role="region" aria-label=${label}>
        <table>
          <thead><tr>${titles.map((title) => (title ? html`<th scope="col">${title}</th>` : html`<td></td>`))}</tr></thead>
          <tbody ref=${this.body}>${children}</tbody>
        </table>
      </div>`;
  }
}
