// The messages of one conversation: an array in the order of `seq`, each message once, in its latest version.

/** Merge `incoming` (any order, repeats allowed) into `messages`; of two versions the greater `change` wins. */
export function merge(messages, incoming) {
  const bySeq = new Map(messages.map((message) => [message.seq, message]));
  let altered = false;
  for (const message of incoming) {
    const known = bySeq.get(message.seq);
    if (known && known.change >= message.change) continue;
    bySeq.set(message.seq, message);
    altered = true;
  }
  return altered ? [...bySeq.values()].sort((a, b) => a.seq - b.seq) : messages;
}

/** Put a newer version in the place of a message that is shown; others come with the history when it is read. */
export function replace(messages, message) {
  return messages.some((known) => known.seq === message.seq) ? merge(messages, [message]) : messages;
}

export function without(messages, ids) {
  const gone = new Set(ids);
  return messages.filter((message) => !gone.has(message.id));
}
