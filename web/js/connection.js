// The socket: stays connected while the session lasts, and keeps its token fresh.

import { io } from '../vendor/socket.io.js';

/** Milliseconds that a command may take to be acknowledged. */
const ACK_TIMEOUT = 10_000;
/** Milliseconds before the next try after the server has refused or closed the connection. */
const PAUSE = 1_500;

const ENDED = ['session_revoked', 'invalid_token'];

/** A command that was not carried out; `retryable` says that the same may succeed later. */
export class CommandError extends Error {
  constructor({ code, message, retry_after }) {
    super(message);
    this.code = code;
    this.retryAfter = retry_after;
    this.retryable = ['unreachable', 'busy', 'unavailable', 'rate_limited'].includes(code);
  }
}

/** `on` has the listeners up(), down(), event(name, payload) and ended(). */
export function createConnection(session, on) {
  let timer;
  const socket = io({
    autoConnect: false,
    transports: ['websocket', 'polling'],
    reconnectionDelay: 500,
    reconnectionDelayMax: 5_000,
    auth: (answer) => withToken((token) => answer({ token })),
  });

  socket.on('connect', on.up);
  socket.on('connect_error', refused);
  socket.on('disconnect', (reason) => {
    on.down();
    if (reason === 'io server disconnect') later(PAUSE);
  });
  socket.onAny((name, payload) => (OWN[name] ?? on.event)(name, payload));
  addEventListener('online', () => wanted() && !socket.connected && reconnect());

  const OWN = {
    token_expiring: () => withToken((token) => command('renew_token', { token }), session.refreshNow),
    session_ended: (_name, { code }) => code === 'session_revoked' && on.ended(),
    server_draining: (_name, { reconnect_after_ms }) => later(reconnect_after_ms),
  };

  async function withToken(use, get = session.accessToken) {
    try {
      await use(await get());
    } catch (error) {
      if (error.status === 401) on.ended();
      else if (!socket.connected) later(PAUSE);
    }
  }

  function refused(error) {
    const code = error.data?.code;
    if (ENDED.includes(code)) on.ended();
    else if (code === 'token_expired') withToken(reconnect, session.refreshNow);
    else if (!socket.active) later(PAUSE);
  }

  function wanted() {
    return session.read() !== null;
  }

  function later(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(() => wanted() && reconnect(), milliseconds);
  }

  function reconnect() {
    clearTimeout(timer);
    socket.disconnect().connect();
  }

  /** Send a command and give its answer without `ok`; throws CommandError. */
  async function command(name, payload) {
    if (!socket.connected) throw unreachable();
    const { ok, error, ...answer } = await socket.timeout(ACK_TIMEOUT).emitWithAck(name, payload)
      .catch(() => { throw unreachable(); });
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

function unreachable() {
  return new CommandError({ code: 'unreachable', message: 'The server cannot be reached.' });
}
