// A coloured circle with initials, and a dot for those who are online.

import { isId } from '../content.js';
import { html } from '../dom.js';
import { t } from '../strings.js';

const HUES = 8;

export function Avatar({ id, name, online, small }) {
  const style = `avatar ${hue(id)}${small ? ' small' : ''}`;
  return html`
    <span class=${style}>
      <span aria-hidden="true">${initials(name)}</span>
      ${online === undefined ? null : html`
        <span class=${online ? 'dot online' : 'dot'} role="img" aria-label=${t(online ? 'online' : 'offline')}></span>`}
    </span>`;
}

/** The class that gives a user or a group a colour of their own. */
export function hue(id) {
  return `hue-${isId(id) ? id % HUES : 0}`;
}

/** The first letters of two words, or one sign of a script that has no spaces. */
function initials(name) {
  const words = name.trim().split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.slice(0, 2).map((word) => [...word].find((sign) => /[\p{L}\p{N}]/u.test(sign)));
  return (/^\p{Script=Han}/u.test(letters[0] ?? '') ? letters.slice(0, 1) : letters).join('').toUpperCase() || '?';
}
