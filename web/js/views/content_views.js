// The content of a message, by its type. Files are references: a link with a name; nothing is loaded before a click.

import { idsOf, listOf, objectOf, textOf } from '../content.js';
import { html } from '../dom.js';
import { kindOf, line, nameOf } from '../state/selectors.js';
import { t } from '../strings.js';
import { link, richText, webAddress } from './rich_text.js';

const FILES = new Set(['image', 'file', 'voice', 'video']);

/** Return the content of a message as text and elements. */
export function contentOf(state, message) {
  const content = objectOf(message.content);
  if (message.type === 'text') return richText(textOf(content.text), mentioned(state, message));
  if (FILES.has(message.type)) return fileLink(message, content) ?? line(state, message);
  if (message.type === 'location') return mapLink(content) ?? line(state, message);
  return line(state, message);
}

function mentioned(state, { mentions }) {
  const names = idsOf(mentions).map((id) => nameOf(state, id));
  return listOf(mentions).includes('all') ? [...names, t('everybody')] : names;
}

function fileLink(message, { url, name }) {
  const address = textOf(url) && webAddress(url);
  return address ? html`${kindOf(message)}: ${link(address, textOf(name) || t('open_file'))}` : null;
}

/** Return a place as a link to a public map; nothing else contacts the map. */
function mapLink({ latitude, longitude, name }) {
  if (!Number.isFinite(latitude) || !Number.isFinite(longitude)) return null;
  const place = `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
  const href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  return html`${t('type_location')}: ${link(href, textOf(name) ? `${name} (${place})` : place)}`;
}
