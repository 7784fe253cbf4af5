// A coloured circle with initials, and a dot for users online.

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

/** Return the class for the colour of a user or a group. */
export function hue(id) {
  return `hue-${isId(id) ? id % HUES : 0}`;
}

/** Return the first letters of two words, or one character of a script without spaces. */
function initials(name) {
  const words = name.trim().split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.slice(0, 2).map((word) => [...word].find((sign) => /[\p{L}\p{N}]/u.test(sign)));
  return (/^\p{Script=Han}/u.test(letters[0] ?? '') ? letters.slice(0, 1) : letters).join('').toUpperCase() || '?';
}
