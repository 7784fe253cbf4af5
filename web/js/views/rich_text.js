// Plain text with its web addresses, mail addresses and mentions made visible; everything else stays text.

import { html } from '../dom.js';

// Only http and https: no address that a browser would run. An address ends at a blank, at a forbidden character, and
// at Chinese and Japanese punctuation, which follows it without a blank: “，。）” and other full-width characters.
const ADDRESS = String.raw`(?:https?:\/\/|www\.)(?=[\p{L}\p{N}\[])[^\s<>"“”‘’…—\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+`;
const MAIL = String.raw`(?<![\w.+-])[\w.+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}`;
const OPENING = { ')': '(', ']': '[', '}': '{' };

/** Return `text` as an array of strings and elements; `names` are those of the mentioned users. */
export function richText(text, names = []) {
  const mentions = names.map((name) => `@${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);
  const parts = text.split(new RegExp(`(${[ADDRESS, ...mentions, MAIL].join('|')})`, 'giu'));
  return parts.flatMap((part, index) => (index % 2 ? element(part) : part)); // split puts the matches at odd indexes
}

function element(part) {
  if (part.startsWith('@')) return html`<span class="mention">${part}</span>`;
  const address = withoutPunctuation(part);
  const href = hrefOf(address);
  return href ? [link(href, address), part.slice(address.length)] : part;
}

/** Return a link that sends no referrer to the other site and gives it no access to this page. */
export function link(href, text) {
  return html`<a href=${href} target="_blank" rel="noopener noreferrer nofollow">${text}</a>`;
}

function hrefOf(address) {
  if (/^www\./i.test(address)) return webAddress(`https://${address}`);
  return /^https?:/i.test(address) ? webAddress(address) : `mailto:${address}`;
}

/** Return the address if it is a web address, otherwise null. */
export function webAddress(address) {
  try {
    return /^https?:$/.test(new URL(address, location.origin).protocol) ? address : null;
  } catch {
    return null;
  }
}

/** Remove the sentence's punctuation from the end of an address, and brackets that are not opened within it. */
function withoutPunctuation(address) {
  const seen = { '(': 0, '[': 0, '{': 0, ')': 0, ']': 0, '}': 0 };
  for (const sign of address) if (sign in seen) seen[sign] += 1;
  let end = address.length;
  while (end > 0 && isAround(address[end - 1], seen)) {
    end -= 1;
    if (address[end] in seen) seen[address[end]] -= 1;
  }
  return address.slice(0, end);
}

function isAround(sign, seen) {
  const opening = OPENING[sign];
  return opening ? seen[opening] < seen[sign] : '.,;:!?\'*_~'.includes(sign);
}
