// The socket: stays connected while the session lasts, and keeps its token fresh.

import { io } from '../vendor/socket.io.js';
import { RETRYABLE } from './api.js';
import { createBackoff } from './backoff.js';

/** Milliseconds within which a command must be acknowledged; the server's own limit is 13 s. */
const ACK_TIMEOUT = 16_000;
/** Milliseconds that a connection must last to count as stable. */
const GOOD = 5_000;

const ENDED = ['session_revoked', 'invalid_token'];

/**
 * A failed command. `retryable`: a retry may succeed. `broke`: the connection ended while the command was in
 * flight.
 */
export class CommandError extends Error {
  constructor({ code, message, retry_after }, broke = false) {
    super(message);
    this.code = code;
    this.retryAfter = retry_after;
    this.retryable = RETRYABLE.includes(code);
    this.broke = broke;
  }
}

/** `on` contains the listeners up(), down(), event(name, payload) and ended(). */
export function createConnection(session, on) {
  const backoff = createBackoff();
  let timer;
  let since = 0;
  let breaks = 0;
  const socket = io({
    autoConnect: false,
    reconnection: false, // `later` does it, as the server demands
    transports: ['websocket', 'polling'],
    tryAllTransports: true, // some proxies let no WebSocket through
    // The server refuses a token of a user other than the one on this page.
    auth: (answer) => withToken((token) => answer({ token, user_id: session.read()?.user.id })),
  });

  socket.on('connect', () => {
    since = Date.now();
    on.up();
  });
  socket.on('connect_error', refused);
  socket.on('disconnect', (reason) => {
    on.down();
    if (reason === 'io client disconnect') return;
    breaks += 1;
    if (Date.now() - since > GOOD) backoff.reset();
    later(backoff.next());
  });
  socket.onAny((name, payload) => (OWN[name] ?? on.event)(name, payload));
  addEventListener('online', hurry);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && hurry());

  const OWN = {
    token_expiring: renew,
    session_ended: (_name, { code }) => code === 'session_revoked' && on.ended(),
    server_draining: (_name, { reconnect_after_ms }) => later(reconnect_after_ms),
  };

  /** Retry failures. If that takes too long, the server closes the connection, and the next one has a new token. */
  function renew() {
    return withToken((token) => command('renew_token', { token }), session.refreshNow, renewOrReconnect);
  }

  function renewOrReconnect() {
    return socket.connected ? renew() : reconnect();
  }

  async function withToken(use, get = session.accessToken, again = reconnect) {
    try {
      await use(await get());
    } catch (error) {
      if (error.status === 401) on.ended();
      else later(backoff.next(wait(error.retryAfter)), again);
    }
  }

  function refused(error) {
    const code = error.data?.code;
    if (ENDED.includes(code)) on.ended();
    else if (code === 'token_expired') withToken(() => later(backoff.next()), session.refreshNow);
    else later(backoff.next(wait(error.data?.retry_after)));
  }

  function wait(seconds) {
    return (seconds ?? 0) * 1000;
  }

  function wanted() {
    return session.read() !== null;
  }

  function hurry() {
    if (wanted() && !socket.connected) later(0);
  }

  function later(milliseconds, task = reconnect) {
    clearTimeout(timer);
    timer = setTimeout(() => wanted() && task(), milliseconds);
  }

  function reconnect() {
    clearTimeout(timer);
    socket.disconnect().connect();
  }

  /** Send a command and return its answer without `ok`; throw CommandError. */
  async function command(name, payload) {
    if (!socket.connected) throw unreachable();
    const before = breaks;
    const { ok, error, ...answer } = await socket.timeout(ACK_TIMEOUT).emitWithAck(name, payload)
      .catch(() => { throw unreachable(breaks > before); });
    if (!ok) throw new CommandError(error);
    return answer;
  }

  return {
    open: () => socket.connect(),
    close() {
      clearTimeout(timer);
      socket.disconnect();
    },
    command,
    get connected() {
      return socket.connected;
    },
  };
}

function unreachable(broke) {
  return new CommandError({ code: 'unreachable', message: 'The server cannot be reached.' }, broke);
}
