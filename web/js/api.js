// REST: one function that calls the server, and the error that all calls throw.

/** Error codes, over REST and the socket, after which a retry may succeed. */
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

/** Call the server and return its JSON answer (null for 204); throw ApiError. `options` are those of fetch. */
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

/** The calls of a logged-in user; calls `ended` when the server reports that the session has ended. */
export function createApi(session, ended) {
  async function call(method, path, body, headers) {
    try {
      return await withFreshToken(method, path, body, headers);
    } catch (error) {
      if (error.status === 401) ended();
      throw error;
    }
  }

  /** Refresh a token once if it has expired in the meantime. */
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
    /** With `key`, the server executes a repeated request only once. */
    post: (path, body = {}, key = null) => call('POST', path, body, key ? { 'Idempotency-Key': key } : {}),
    remove: (path) => call('DELETE', path),
    /** Return all pages of a list. */
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
 * Return an id as a part of a path. Throw for anything but a whole number above zero: ids also come from other people's
 * content, and must not lead to another address.
 */
export function idOf(value) {
  if (!Number.isSafeInteger(value) || value <= 0) throw new TypeError('not an id');
  return String(value);
}
