"""Log lines: one event each, with fields, as text for people or as JSON for programs.

    log = get_logger(__name__)
    log.info("user_disconnected", user_id=7, reason="ping timeout")

The event's name is constant, variable data goes into fields; `message` is a field for people. Records of the standard
library's logging (libraries, gunicorn) are rendered in the same way. Only a line that is written is formatted, and only
then is its context collected (context.py).

Law of the folder: it imports no other part of imapp.
"""

from imapp.logs.context import add_source
from imapp.logs.lines import get_logger

__all__ = ["add_source", "get_logger"]
