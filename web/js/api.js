// The REST door: one function that speaks HTTP, and the error that everything throws.

/** Codes that say that the same may succeed later; on the socket, too. */
export const RETRYABLE = ['unreachable', 'busy', 'unavailable', 'rate_limited'];

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status; // 0: the server could not be reached
    this.code = problem.code ?? 'unreachable';
    this.fields = problem.errors ?? [];
    this.retryAfter = problem.retry_after;
    this.retryable = RETRYABLE.includes(this.code);
  }
}

/** Milliseconds after which a call counts as failed. */
const TIMEOUT = 20_000;

/** Call the server and give its JSON answer (null for 204); throws ApiError. `options` are those of fetch. */
export async function request(method, path, body, token, { timeout = TIMEOUT, headers: more = {}, ...options } = {}) {
  const headers = { ...more };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (token) headers.Authorization = `Bearer ${token}`;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const response = await reach(path, { ...options, method, headers, body: text }, timeout);
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, answer ?? {});
  return answer;
}

async function reach(path, options, timeout) {
  try {
    return await fetch(path, { ...options, signal: AbortSignal.timeout(timeout) });
  } catch {
    throw new ApiError(0, { detail: 'The server cannot be reached.' });
  }
}

/** The calls of a logged-in user; `ended` is called when the server does not know the session any more. */
export function createApi(session, ended) {
  async function call(method, path, body, headers) {
    try {
      return await withFreshToken(method, path, body, headers);
    } catch (error) {
      if (error.status === 401) ended();
      throw error;
    }
  }

  /** A token that has expired in the meantime is refreshed once. */
  async function withFreshToken(method, path, body, headers) {
    const token = await session.accessToken();
    try {
      return await request(method, path, body, token, { headers });
    } catch (error) {
      if (error.code !== 'token_expired') throw error;
      return request(method, path, body, await session.refresh(token), { headers });
    }
  }

  return {
    get: (path, query = {}) => call('GET', withQuery(path, query)),
    /** With `key`, the server does what it is asked once, however often the request is sent. */
    post: (path, body = {}, key = null) => call('POST', path, body, key ? { 'Idempotency-Key': key } : {}),
    remove: (path) => call('DELETE', path),
    /** All pages of a list. */
    async all(path, query = {}) {
      const items = [];
      let cursor;
      do {
        const page = await call('GET', withQuery(path, { ...query, cursor }));
        items.push(...page.items);
        cursor = page.next_cursor;
      } while (cursor);
      return items;
    },
  };
}

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/**
 * An id as a part of a path. Throws for anything but a whole number above zero: ids come from what other people have
 * written, too, and must not lead to another address.
 */
export function idOf(value) {
  if (!Number.isSafeInteger(value) || value <= 0) throw new TypeError('not an id');
  return String(value);
}
