"""What nobody logs: warnings of Python, and errors that nobody has caught, in threads and in greenlets."""

import logging
import threading
from typing import Any

from imapp.logs.lines import get_logger

log = get_logger(__name__)


def catch() -> None:
    """Let them be lines of the log, like everything else; once, in the process that serves."""
    from gevent import get_hub  # not at import: gunicorn's master has no hub

    logging.captureWarnings(True)
    threading.excepthook = _thread_failed
    get_hub().print_exception = _greenlet_failed  # type: ignore[method-assign, assignment]  # gevent's way


def _thread_failed(failure: Any) -> None:
    log.error("thread_failed", exc_info=(failure.exc_type, failure.exc_value, failure.exc_traceback))


def _greenlet_failed(context: object, kind: Any, error: Any, traceback: Any) -> None:
    """In the event loop. What failed is named by its kind: its text may have its arguments."""
    log.error("greenlet_failed", of=type(context).__name__, exc_info=(kind, error, traceback))
