// Runs inside the page: draws the whole page with any JSON that a user or a server may have sent.

const { html, render } = await import('/web/js/dom.js');
const { EMPTY, reduce } = await import('/web/js/state/reducer.js');
const { named } = await import('/web/js/state/selectors.js');
const { App } = await import('/web/js/views/app.js');

const ME = { id: 1, username: 'ada', nickname: 'Ada', revision: 1, version: 1 };
const NAMES = ['setAtEnd', 'setSeen', 'loadOlder', 'typing', 'stopTyping', 'writeDraft', 'keepDrafts', 'react', 'show', 'loadContactRequests', 'loadInvitations', 'jumpTo', 'loadNewer', 'toNewest'];
const ACTIONS = Object.fromEntries(NAMES.map((name) => [name, async () => {}]));
const MOMENT = '2026-11-28T10:00:00.000Z';
/** Attributes and elements that fetch something without a click. */
const FETCHING = '[src], [srcset], [poster], [data], [background], [style*="url"], link, script, iframe, object, embed';

function message(seq, fields) {
  return {
    id: `5-${seq}`, conversation_id: 5, seq, change: seq, sender_id: 2, client_id: `c${seq}`, type: 'text',
    content: { text: 'kind' }, reply_to: null, mentions: [], reactions: [], created_at: MOMENT, edited_at: null,
    recalled_at: null, ...fields,
  };
}

function conversation(fields) {
  return {
    id: 5, type: 'group', name: 'Crew', last_seq: 0, last_change: 0, read_seq: 0, peer_id: null, member_count: 2,
    last_message: null, active_at: MOMENT, ...fields,
  };
}

/** Draw messages, a user and a conversation with the given fields; return what was drawn, and the failures. */
export async function draw(sent) {
  const { messages, user, group } = JSON.parse(sent);
  const root = document.createElement('div');
  document.body.append(root);
  const failures = [];
  const { error } = console;
  console.error = (...words) => failures.push(words.map((word) => word.stack ?? word).join(' '));
  let state = { ...EMPTY, me: ME, link: 'live', open: 5 };
  const steps = [
    { type: 'conversations_loaded', items: [conversation(), conversation({ ...group, id: 6 })] },
    { type: 'users_loaded', users: [ME, { ...user, id: 2 }] },
    { type: 'history_started', id: 5 },
    ...messages.map((fields, index) => created(index + 1, fields)),
    created(messages.length + 1, {}),
  ];
  try {
    for (const step of steps) {
      state = reduce(state, step);
      render(html`<${App} state=${state} actions=${ACTIONS} />`, root);
    }
    await new Promise((resolve) => { setTimeout(resolve); }); // failed views are drawn again
    return {
      failures,
      named: [...named(state)],
      last: root.querySelector('.message:last-of-type .text')?.textContent,
      rows: root.querySelectorAll('.timeline li[data-seq]').length,
      fetching: [...root.querySelectorAll(FETCHING)].map((element) => element.outerHTML),
      links: [...root.querySelectorAll('.timeline a')].map((link) => link.href),
    };
  } finally {
    render(null, root);
    root.remove();
    console.error = error;
  }
}

function created(seq, fields) {
  return { type: 'pushed', event: 'message_created', payload: { message: message(seq, fields) } };
}
