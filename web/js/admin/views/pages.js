// Buttons for the next and the previous page of a list.

import { html } from '../../dom.js';
import { t } from '../strings.js';

export function Pages({ cursors, next, actions }) {
  if (cursors.length === 1 && !next) return null;
  return html`
    <p class="row pages">
      <button class="chip" disabled=${cursors.length === 1} onClick=${actions.previousPage}>${t('previous')}</button>
      <button class="chip" disabled=${!next} onClick=${() => actions.nextPage(next)}>${t('next')}</button>
    </p>`;
}
