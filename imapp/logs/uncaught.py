"""Log Python's warnings, and uncaught exceptions of threads and greenlets."""

import logging
import threading
from types import TracebackType

from imapp.logs.lines import get_logger

log = get_logger(__name__)


def install() -> None:
    """Send warnings and uncaught exceptions to the log. Call this once, in the serving process."""
    from gevent import get_hub  # not at import: gunicorn's master has no hub

    logging.captureWarnings(True)
    threading.excepthook = _thread_failed
    get_hub().print_exception = _greenlet_failed  # type: ignore[method-assign, assignment]  # gevent's way


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    log.error("thread_failed", exc_info=(failure.exc_type, failure.exc_value, failure.exc_traceback))


def _greenlet_failed(
    context: object, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Log an uncaught exception; runs in the event loop.

    The failed greenlet is named by its type, because its text may contain its arguments.
    """
    log.error("greenlet_failed", of=type(context).__name__, exc_info=(kind, error, traceback))
