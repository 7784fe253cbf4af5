// Runs inside the page: the messages that the page holds of one conversation while the user scrolls, jumps and
// leaves, and others write. The pages of history come from a model of the server.

const { createHistory } = await import('/web/js/history.js');
const { createStore } = await import('/web/js/state/store.js');
const { EMPTY, reduce } = await import('/web/js/state/reducer.js');

const ID = 7;
const PAGE = 50;

/** Apply `steps` of [kind, number]; return the faults of the loaded messages after each step. */
export async function read(steps, first) {
  const messages = [];
  const store = createStore(reduce, { ...EMPTY, me: { id: 1 } });
  const waiting = [];
  const write = () => {
    const message = { conversation_id: ID, seq: messages.length + 1, change: messages.length + 1, sender_id: 2 };
    messages.push(message);
    return message;
  };
  const push = () => store.dispatch({ type: 'pushed', event: 'message_created', payload: { message: write() } });
  const history = createHistory({ store, api: { get: (_path, query) => answer(messages, query, waiting) } });

  for (let number = 0; number < first; number += 1) write();
  const conversation = { id: ID, last_seq: first, last_change: first, read_seq: 0, last_message: messages.at(-1) };
  store.dispatch({ type: 'conversations_loaded', items: [conversation] });
  store.dispatch({ type: 'opened', id: ID });
  const faults = [];
  const tasks = [history.begin(ID)];
  for (const [kind, number] of [['arrive', 0], ...steps]) {
    if (kind === 'write') for (let count = 0; count < number; count += 1) push();
    else if (kind === 'arrive') while (waiting.length) { waiting.shift()(); await settle(); }
    else if (kind === 'scroll') store.dispatch({ type: 'scrolled', is_at_end: number % 2 === 0 });
    else if (kind === 'jump') tasks.push(history.jumpTo(ID, 1 + (number * 37) % messages.length));
    else tasks.push(history[kind](ID));
    await settle();
    faults.push(...look(store.state, messages.length).map((fault) => `${kind}: ${fault}`));
  }
  while (waiting.length) { waiting.shift()(); await settle(); }
  await Promise.all(tasks);
  return [...faults, ...look(store.state, messages.length)];
}

/** Return the server's answer as of the time of the request; it arrives when `waiting` is released. */
function answer(messages, { before, after, limit }, waiting) {
  const found = after === undefined
    ? messages.filter(({ seq }) => seq < (before ?? Infinity)).reverse()
    : messages.filter(({ seq }) => seq > after);
  const page = { items: found.slice(0, limit), has_more: found.length > limit };
  return new Promise((resolve) => { waiting.push(() => resolve(page)); });
}

function look({ timelines }, last) {
  const { messages, has_more, has_newer } = timelines[ID];
  const seqs = messages.map(({ seq }) => seq);
  return [
    seqs.some((seq, index) => index && seq !== seqs[index - 1] + 1) && `a gap: ${seqs}`,
    seqs.length && !has_newer && seqs.at(-1) !== last && `ends at ${seqs.at(-1)} of ${last}`,
    seqs.length && !has_more && seqs[0] !== 1 && `begins at ${seqs[0]}`,
    seqs.length > 350 + PAGE && `${seqs.length} messages`,
  ].filter(Boolean);
}

/** Wait until everything has run that waits only for the event loop. */
function settle() {
  return new Promise((resolve) => { setTimeout(resolve); });
}
