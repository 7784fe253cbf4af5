"""Close the connections of clients that read their answers too slowly, so that they hold no memory.

The middleware runs before REST and Socket.IO. Data sent over a WebSocket has limits of its own (engine/limits.py).
Behind Nginx, which reads answers at once, the deadline is never reached.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds in which a client must have read an answer: 1 MB at 17 kB/s.
_ANSWER_SECONDS = 60


class AnswerDeadline:
    """WSGI middleware that limits the time for reading an answer to the keep-alive time plus `seconds`."""

    def __init__(
        self, app: Callable[[dict[str, Any], Any], Iterable[bytes]], keepalive_seconds: int, seconds: int | None = None
    ) -> None:
        self._app = app
        # The socket keeps this timeout while it waits for the next request; gunicorn has its own, shorter one for that.
        self._seconds = keepalive_seconds + (_ANSWER_SECONDS if seconds is None else seconds)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Set the deadline for the answer to this request; gevent counts it from the first byte to the last."""
        sock = environ.get("gunicorn.socket")
        if sock is not None:
            sock.settimeout(self._seconds)
        return self._app(environ, start_response)


class NotTaken(logging.Filter):
    """Log filter that replaces gunicorn's traceback about a slow client by one line of our own."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the record of a timeout and log `answer_not_taken` instead."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if not isinstance(error, TimeoutError):
            return True
        log.info("answer_not_taken")
        return False
