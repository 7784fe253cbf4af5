"""Log lines: one event each, with fields, as text for people or as JSON for machines.

    log = get_logger(__name__)
    log.info("user_disconnected", user_id=7, reason="ping timeout")

The event's name is constant, what varies is a field; `message` is a field for people. What the standard library's
logging is given (libraries, gunicorn) goes the same way. Nothing is formatted that is not written, and the work at
hand is looked up only then (context.py).

Law of the folder: it knows nothing of the rest of imapp.
"""

from imapp.logs.context import add_source
from imapp.logs.lines import get_logger

__all__ = ["add_source", "get_logger"]
