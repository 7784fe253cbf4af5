"""Render records as text or JSON: structlog's formatter with processors of our own."""

import logging
from datetime import UTC, datetime

import orjson
from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter, plain_traceback
from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from imapp.logs.cleaning import clean, clean_traceback
from imapp.logs.context import current_fields
from imapp.logs.lines import shown

#: Keys that are not fields: structlog's own, and texts of several lines.
_APART = ("_record", "_from_structlog", "exc_info", "exception", "stack_info")

_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"
_LEVELS = {
    "DEBUG": "\x1b[36m",
    "INFO": "\x1b[32m",
    "WARNING": "\x1b[33m",
    "ERROR": "\x1b[31m",
    "CRITICAL": "\x1b[31;1m",
}


def formatter(log_format: str, node_id: str, *, is_coloured: bool = False) -> logging.Formatter:
    """Return the formatter of a node's lines; `log_format` is `json` or `text`."""
    renderer: Processor = JSONRenderer(serializer=_json) if log_format == "json" else _text(is_coloured)
    return ProcessorFormatter(processors=[format_exc_info, _Assembly(node_id), renderer])


class _Assembly:
    """Processor that assembles and cleans a line: time, level, logger, event, node; its context; its own fields."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id

    def __call__(self, _logger: object, _method: str, line: EventDict) -> EventDict:
        record: logging.LogRecord = line["_record"]
        fields = {name: value for name, value in line.items() if name not in _APART}
        head = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname,
            "logger": record.name,
            "event": fields.pop("event"),
            "message": fields.pop("message", None),
            "node": self._node_id,
        }
        known = {**head, **current_fields(), **fields, **head}  # twice: it comes first, and no field replaces it
        written = clean({name: value for name, value in known.items() if value is not None})
        text = "\n".join(str(line[name]) for name in ("stack_info", "exception") if line.get(name))
        return {**written, "exception": clean_traceback(text)} if text else written


def _json(line: EventDict, **_options: object) -> str:
    return orjson.dumps(line).decode()


def _text(is_coloured: bool) -> ConsoleRenderer:
    """Return the renderer of text lines: TIME LEVEL LOGGER: EVENT MESSAGE NAME=VALUE ..., then the traceback."""
    reset, dim, bold = (_RESET, _DIM, _BOLD) if is_coloured else ("", "", "")

    def level(key: str, value: object) -> str:
        return f"{_LEVELS.get(str(value), '')}{value}{reset}" if is_coloured else str(value)

    def plain(style: str, postfix: str = "") -> KeyValueColumnFormatter:
        return KeyValueColumnFormatter(None, style, reset, str, postfix=postfix)

    columns = [
        Column("timestamp", plain(dim)),
        Column("level", level),
        Column("logger", plain(dim, ":")),
        Column("event", plain(bold)),
        Column("message", plain("")),
        Column("", KeyValueColumnFormatter(dim, "", reset, shown)),
    ]
    return ConsoleRenderer(columns=columns, sort_keys=False, exception_formatter=plain_traceback)
