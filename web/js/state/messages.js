// The messages of one conversation: an array in the order of `seq`, each message once, in its latest version.

import { listOf, objectOf } from '../content.js';

/** Merge `incoming` (any order, repeats allowed) into `messages`; of two versions the greater `change` wins. */
export function merge(messages, incoming) {
  const last = messages.at(-1)?.seq ?? 0;
  const isAppend = incoming.every(({ seq }, index) => seq > (index ? incoming[index - 1].seq : last));
  if (isAppend) return incoming.length ? [...messages, ...incoming] : messages;
  return incoming.length === 1 ? place(messages, incoming[0]) : mergeMany(messages, incoming);
}

/** Insert one message at the position of its `seq`. */
function place(messages, message) {
  const index = indexOf(messages, message.seq);
  const known = messages[index];
  const isKnown = known?.seq === message.seq;
  if (isKnown && known.change >= message.change) return messages;
  const placed = isKnown ? withOwn(message, known) : message;
  return [...messages.slice(0, index), placed, ...messages.slice(isKnown ? index + 1 : index)];
}

/** Pushes are the same for all members: `mine` of a reaction is null there, and keeps its known value. */
function withOwn(message, known) {
  const own = new Map(listOf(known.reactions).map(objectOf).map(({ emoji, mine }) => [emoji, mine]));
  const reactions = listOf(message.reactions).map(objectOf).map((reaction) => (
    reaction.mine === null ? { ...reaction, mine: own.get(reaction.emoji) ?? false } : reaction));
  return { ...message, reactions };
}

function mergeMany(messages, incoming) {
  const bySeq = new Map(messages.map((message) => [message.seq, message]));
  let altered = false;
  for (const message of incoming) {
    const known = bySeq.get(message.seq);
    if (known && known.change >= message.change) continue;
    bySeq.set(message.seq, known ? withOwn(message, known) : message);
    altered = true;
  }
  return altered ? [...bySeq.values()].sort((a, b) => a.seq - b.seq) : messages;
}

/** Return the index of the first message with at least the given `seq`. */
function indexOf(messages, seq) {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (messages[middle].seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Replace a loaded message by a newer version; other messages are loaded with the history. */
export function replace(messages, message) {
  return messages[indexOf(messages, message.seq)]?.seq === message.seq ? place(messages, message) : messages;
}

export function without(messages, ids) {
  const gone = new Set(ids);
  const rest = messages.filter((message) => !gone.has(message.id));
  return rest.length < messages.length ? rest : messages;
}
