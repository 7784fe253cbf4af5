"""From a call to a record of the standard library's logging."""

import logging
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from structlog.stdlib import BoundLogger, PositionalArgumentsFormatter, filter_by_level

from imapp.logs.cleaning import clean

#: Characters that a value may consist of to stand in a text line without quotes; what is not ASCII may, too.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,:;/@+*#%&?!~^<>()[]{}|$\\")


class Line(dict[str, Any]):
    """An event with its fields; other handlers than ours (a test's, none at all) read it as text."""

    def __str__(self) -> str:
        fields = clean({"event": "", **self})
        fields.pop("exc_info", None)
        return " ".join([fields.pop("event"), *(f"{name}={shown(value)}" for name, value in fields.items())])


def shown(value: object) -> str:
    """A value as text: quoted where it could be taken for something else."""
    text = value if isinstance(value, str) else str(value)
    if text and all(char in _PLAIN or char > "\x7f" for char in text):
        return text
    return orjson.dumps(text.encode(errors="replace").decode()).decode()


def _as_record(
    logger: logging.Logger, method: str, line: MutableMapping[str, Any]
) -> tuple[tuple[Line], dict[str, Any]]:
    """What structlog calls the standard logger with; as its `wrap_for_formatter`, and with the exception."""
    extra = {"_logger": logger, "_name": method}
    return (Line(line),), {"extra": extra, "exc_info": line.get("exc_info")}


def get_logger(name: str) -> BoundLogger:
    """The logger of a module; needs no set-up, and none is done by it."""
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[filter_by_level, PositionalArgumentsFormatter(), _as_record],
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger
