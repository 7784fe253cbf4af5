// Plain text with its web addresses and mentions made visible; everything else stays text.

import { html } from '../dom.js';

// Only http and https: no address that a browser would run.
const ADDRESS = String.raw`https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]}'’]`;

/** Give `text` as an array of strings and elements; `names` are those who are mentioned. */
export function richText(text, names = []) {
  const mentions = names.map((name) => `@${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);
  const parts = text.split(new RegExp(`(${[ADDRESS, ...mentions].join('|')})`, 'giu'));
  return parts.map((part, index) => (index % 2 ? element(part) : part)); // split puts the matches at odd places
}

function element(part) {
  if (part.startsWith('@')) return html`<span class="mention">${part}</span>`;
  return html`<a href=${part} target="_blank" rel="noopener noreferrer">${part}</a>`;
}
