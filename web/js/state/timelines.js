// The loaded messages of each conversation: one unbroken run for each, bounded at both ends.
//
// {messages, has_more, has_newer}: `has_more` says that the server has messages older than the first one here,
// `has_newer` that it has messages newer than the last. A run that grows too long drops the end that is not
// in view; the view loads it again (`loadOlder`, `loadNewer`) when the user scrolls near it.

import { merge, replace, without } from './messages.js';

/** Number of messages that a run keeps. */
export const WINDOW = 300;
/** Number of messages above WINDOW at which a run is cut, so that not every new message causes a cut. */
const SLACK = 50;
/** Number of runs that are kept, of the conversations that were opened last. */
const KEPT = 20;

const EMPTY = Object.freeze({ messages: [], has_more: true, has_newer: false });

/** Begin a run before its history is requested: messages pushed meanwhile belong to it. */
export function startRun(state, id) {
  return state.timelines[id] ? state : put(state, id, EMPTY);
}

/** Begin again at the newest message, or with a page of the server. */
export function restartRun(state, id, run = EMPTY) {
  return put(state, id, run);
}

/** Drop the runs of the least recently opened conversations when the user opens one. */
export function keepRecent(state, id) {
  const recent = [id, ...state.recent.filter((other) => other !== id)].slice(0, KEPT);
  const kept = Object.entries(state.timelines).filter(([other]) => recent.includes(Number(other)));
  return { ...state, recent, timelines: Object.fromEntries(kept) };
}

/** Add a page of older messages, or the newest page; a long run drops its newest messages. */
export function addOlder(state, id, items, has_more) {
  const run = state.timelines[id] ?? EMPTY;
  const messages = merge(run.messages, items);
  const isCut = messages.length > WINDOW;
  return put(state, id, { messages: messages.slice(0, WINDOW), has_more, has_newer: run.has_newer || isCut });
}

/** Add a page of newer messages; a long run drops its oldest messages. */
export function addNewer(state, id, items, has_newer) {
  const run = state.timelines[id] ?? EMPTY;
  return put(state, id, { ...cutOldest({ ...run, messages: merge(run.messages, items) }, WINDOW), has_newer });
}

/**
 * Add a message that was just sent. While the user reads above the end, a full run stops following, and newer messages
 * are loaded on demand.
 */
export function append(state, message) {
  const run = state.timelines[message.conversation_id];
  if (!run) return state;
  if (run.has_newer) return alter(state, message);
  const messages = merge(run.messages, [message]);
  if (messages === run.messages) return state;
  const isRead = state.open === message.conversation_id && !state.is_at_end;
  const isFull = messages.length > WINDOW + SLACK;
  if (isFull && isRead) return put(state, message.conversation_id, { ...run, has_newer: true });
  return put(state, message.conversation_id, cutOldest({ ...run, messages }, isFull ? WINDOW : Infinity));
}

/** Replace a loaded message by a newer version. */
export function alter(state, message) {
  return patch(state, message.conversation_id, (messages) => replace(messages, message));
}

/** Drop messages by their ids. */
export function drop(state, id, messageIds) {
  return patch(state, id, (messages) => without(messages, messageIds));
}

function cutOldest(run, length) {
  if (run.messages.length <= length) return run;
  return { ...run, messages: run.messages.slice(-length), has_more: true };
}

function patch(state, id, change) {
  const run = state.timelines[id];
  const messages = run && change(run.messages);
  return !run || messages === run.messages ? state : put(state, id, { ...run, messages });
}

function put(state, id, run) {
  return { ...state, timelines: { ...state.timelines, [id]: run } };
}
