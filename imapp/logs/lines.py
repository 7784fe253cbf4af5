"""Turn log calls into records of the standard library's logging."""

import logging
from collections.abc import MutableMapping

import orjson
import structlog
from structlog.stdlib import BoundLogger, PositionalArgumentsFormatter, filter_by_level

from imapp.logs.cleaning import clean

#: A value of only these characters and non-ASCII ones is written into a text line without quotes.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,:;/@+*#%&?!~^<>()[]{}|$\\")


class Line(dict[str, object]):
    """An event with its fields. Handlers other than ours (a test's, or Python's default one) use its text."""

    def __str__(self) -> str:
        fields = clean({"event": "", **self})
        fields.pop("exc_info", None)
        return " ".join([str(fields.pop("event")), *(f"{name}={shown(value)}" for name, value in fields.items())])


def shown(value: object) -> str:
    """Return a value as text, quoted if it could be misread."""
    text = value if isinstance(value, str) else str(value)
    if text and all(char in _PLAIN or char > "\x7f" for char in text):
        return text
    return orjson.dumps(text.encode(errors="replace").decode()).decode()


def _as_record(
    logger: logging.Logger, method: str, line: MutableMapping[str, object]
) -> tuple[tuple[Line], dict[str, object]]:
    """Return the arguments for the standard logger: those of structlog's `wrap_for_formatter`, and the exception."""
    extra = {"_logger": logger, "_name": method}
    return (Line(line),), {"extra": extra, "exc_info": line.get("exc_info")}


def get_logger(name: str) -> BoundLogger:
    """Return the logger of a module. It works before logging is configured, and does not configure it."""
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[filter_by_level, PositionalArgumentsFormatter(), _as_record],
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger
