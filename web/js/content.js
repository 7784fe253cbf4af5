// Safe access to JSON that other people have written. `content` of a custom message may be any JSON, and a server
// that is newer than this page may send what the page does not know: nothing here throws or names a request.

/** Largest number of users that one message may name; the page asks the server for each name it does not know. */
const MOST_NAMED = 50;

/** The value if it is a string, else an empty one. */
export function textOf(value) {
  return typeof value === 'string' ? value : '';
}

/** Whether the value is the id of something: a whole number above zero, never part of a path. */
export function isId(value) {
  return Number.isSafeInteger(value) && value > 0;
}

/** The ids in a list, each once, at most MOST_NAMED of them; anything else is left out. */
export function idsOf(value) {
  return Array.isArray(value) ? [...new Set(value.filter(isId))].slice(0, MOST_NAMED) : [];
}

/** The value if it is an object, else an empty one. */
export function objectOf(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
}

/** The value if it is an array, else an empty one. */
export function listOf(value) {
  return Array.isArray(value) ? value : [];
}
