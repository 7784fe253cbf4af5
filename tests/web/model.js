// Runs inside the page: the page's own sync code against a model of a server that loses, repeats and reorders pushes.
// The model keeps one log of changes for each conversation, as the contract describes it, and answers `sync` from it.

const { createSync } = await import('/web/js/sync.js');
const { createStore } = await import('/web/js/state/store.js');
const { EMPTY, reduce } = await import('/web/js/state/reducer.js');

/** Apply `steps` of {conversation, kind, fate}; return what the device shows and what a fresh load shows. */
export async function live(steps, limit) {
  const server = createServer(limit);
  const device = createDevice(server);
  await device.sync.start();
  const late = [];
  for (const { conversation, kind, fate } of steps) {
    const push = server.change(conversation, kind);
    await deliver(device, push, fate, late);
  }
  await device.sync.receive('sync_required', {}).then(() => device.sync.start());
  const fresh = createDevice(server);
  await fresh.sync.start();
  return { device: device.shown(), fresh: fresh.shown(), server: server.shown() };
}

async function deliver(device, push, fate, late) {
  if (fate === 'late') late.push(push);
  else if (fate === 'lost') return;
  else await device.sync.receive(...push);
  if (fate === 'twice') await device.sync.receive(...push);
  while (fate === 'then late' && late.length) await device.sync.receive(...late.pop());
}

function createServer(limit) {
  const logs = {};

  function change(id, kind) {
    const log = (logs[id] ??= []);
    const messages = log.filter(({ event }) => event === 'message_created');
    const number = log.length + 1;
    const fresh = { conversation_id: id, seq: messages.length + 1, sender_id: 7, content: { text: `${number}` } };
    const event = kind === 'edit' && messages.length ? 'message_edited' : 'message_created';
    const message = event === 'message_edited'
      ? { ...messages.at(-1).message, content: { text: `edited ${number}` }, change: number }
      : { ...fresh, id: `${id}-${fresh.seq}`, change: number };
    log.push({ change: number, event, message });
    return [event, { message }];
  }

  function latest(id) {
    const bySeq = {};
    for (const { message } of logs[id]) bySeq[message.seq] = message;
    return Object.values(bySeq);
  }

  function conversation(id) {
    const messages = latest(id);
    return {
      id, type: 'group', last_seq: messages.length, last_change: logs[id].length, read_seq: 0,
      last_message: messages.at(-1),
    };
  }

  function page(id, known) {
    const changes = logs[id].slice(known, known + limit).map(({ change: number, event, message }) => ({
      change: number, event, message: latest(id)[message.seq - 1],
    }));
    const next = known + changes.length;
    return {
      id, last_seq: latest(id).length, last_change: logs[id].length, read_seq: 0, peer_read_seq: null, changes,
      removed: false, reset: false,
      limited: next < logs[id].length, next_change: next,
    };
  }

  return {
    change,
    conversations: () => Object.keys(logs).map((id) => conversation(Number(id))),
    sync: (known) => ({
      conversations: Object.keys(logs).map((id) => page(Number(id), known[id] ?? Math.max(0, logs[id].length - limit))),
      more: Object.entries(logs).some(([id, log]) => (known[id] ?? log.length) + limit < log.length),
      state: [],
      cursor: '1',
      epoch: 'one',
    }),
    history: (id) => latest(id),
    shown: () => Object.fromEntries(Object.keys(logs).map((id) => [id, latest(id).map(({ content }) => content.text)])),
  };
}

/** A device with all conversations open, so that every message is in its state. */
function createDevice(server) {
  const store = createStore(reduce, { ...EMPTY, me: { id: 1 } });

  function load(conversation) {
    const { id } = conversation;
    store.dispatch({ type: 'conversations_loaded', items: [conversation] });
    if (store.state.timelines[id]) return;
    store.dispatch({ type: 'history_started', id });
    store.dispatch({ type: 'history_loaded', id, items: server.history(id), has_more: false });
  }

  const sync = createSync({
    store,
    ask: async (_name, { conversations }) => server.sync(conversations),
    loadConversations: async () => server.conversations().forEach(load),
    loadConversation: async (wanted) => server.conversations().filter(({ id }) => id === wanted).forEach(load),
  });
  return {
    sync,
    shown: () => Object.fromEntries(Object.entries(store.state.timelines).map(
      ([id, { messages }]) => [id, messages.map(({ content }) => content.text)])),
  };
}
