// Safe access to JSON of other people. `content` of a custom message may be any JSON, and a server newer than
// this page may send unknown data: nothing here throws or leads to a request.

/** Largest number of users that one message may name; the page requests each unknown name from the server. */
const MOST_NAMED = 50;

/** Return the value if it is a string, otherwise an empty one. */
export function textOf(value) {
  return typeof value === 'string' ? value : '';
}

/** Return whether the value is an id: a whole number above zero, never part of a path. */
export function isId(value) {
  return Number.isSafeInteger(value) && value > 0;
}

/** Return the ids in a list, each once, at most MOST_NAMED; skip anything else. */
export function idsOf(value) {
  return Array.isArray(value) ? [...new Set(value.filter(isId))].slice(0, MOST_NAMED) : [];
}

/** Return the value if it is an object, otherwise an empty one. */
export function objectOf(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
}

/** Return the value if it is an array, otherwise an empty one. */
export function listOf(value) {
  return Array.isArray(value) ? value : [];
}
