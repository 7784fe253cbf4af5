"""Clients that do not take their answers: the connection of such a client is closed, so that it holds no memory.

Before both doors. What is sent over a WebSocket has bounds of its own (engine/limits.py); behind Nginx, which takes
answers at once, none of this happens.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds in which a client must take an answer: 1 MB at 17 kB/s.
_ANSWER_SECONDS = 60


class AnswerDeadline:
    """WSGI middleware; see the module. The time in which a connection may be idle is added to the deadline."""

    def __init__(
        self, app: Callable[[dict[str, Any], Any], Iterable[bytes]], keepalive_seconds: int, seconds: int | None = None
    ) -> None:
        self._app = app
        # The same timeout holds while the next request is waited for, where gunicorn has its own, shorter one.
        self._seconds = keepalive_seconds + (_ANSWER_SECONDS if seconds is None else seconds)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Set the deadline for the answer to this request: gevent counts it from the first byte to the last."""
        sock = environ.get("gunicorn.socket")
        if sock is not None:
            sock.settimeout(self._seconds)
        return self._app(environ, start_response)


class NotTaken(logging.Filter):
    """Gunicorn reports a client that is too slow with a traceback: one line of our own instead."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the record of a timeout."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if not isinstance(error, TimeoutError):
            return True
        log.info("answer_not_taken")
        return False
