"""Configure where log lines go: to standard error, or to a rotating file."""

import logging
import sys
import threading
from collections.abc import Mapping
from logging.config import dictConfig
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from imapp.logs import uncaught
from imapp.logs.levels import Levels
from imapp.logs.rendering import formatter
from imapp.logs.sampling import Sampler

if TYPE_CHECKING:
    from imapp.settings import Settings

#: Seconds for which an operator's signal sets the level to DEBUG.
DEBUG_SECONDS = 600

_TICK_SECONDS = 1.0

_STDERR = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}


class RotatingFile(RotatingFileHandler):
    """A log file with a limited number of older ones: FILE.1 is the latest of these."""

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        """Return whether the file is full. Unlike the base class, do not format the line, nor open the file."""
        return self.stream is not None and self.maxBytes > 0 and self.stream.tell() >= self.maxBytes


def config(settings: "Settings", handler: Mapping[str, object], *, level: str | None = None) -> dict[str, object]:
    """Return the configuration of the standard library's logging: the lines of all loggers go to one handler."""
    is_coloured = "filename" not in handler and sys.stderr.isatty()
    line = {"log_format": settings.log_format, "node_id": settings.node_id, "is_coloured": is_coloured}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, **line}},
        "filters": {"sampler": {"()": Sampler, "per_second": settings.log_lines_per_second}},
        "handlers": {"node": {"formatter": "line", "filters": ["sampler"], **handler}},
        "root": {"level": level or settings.log_level, "handlers": ["node"]},
        "loggers": {
            # The INFO lines of these two, at every start and stop, are of no use to an operator.
            "gunicorn.error": {"level": "WARNING", "propagate": True},
            "alembic": {"level": "WARNING"},
            # These log the data that they handle, and without a level they install handlers of their own.
            "engineio.server": {"level": "ERROR"},
            "socketio.server": {"level": "ERROR"},
            "sqlalchemy": {"level": "WARNING"},
        },
    }  # fmt: skip


def of_command(settings: "Settings") -> dict[str, object]:
    """Return the configuration of a `flask` command: warnings and errors go to standard error."""
    return config(settings, _STDERR, level="WARNING")


def of_master(settings: "Settings") -> dict[str, object]:
    """Return the configuration of gunicorn's master. It writes few lines, into the file that its worker rotates."""
    if settings.log_file is None:
        return config(settings, _STDERR)
    return config(settings, {"class": "logging.handlers.WatchedFileHandler", **_file(settings)})


def _file(settings: "Settings") -> dict[str, object]:
    return {"filename": str(settings.log_file), "encoding": "utf-8"}


class NodeLogs:
    """The logging of the serving process."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self.levels = Levels()
        self._ending = threading.Event()

    def start(self) -> None:
        """Take over the log file from gunicorn's master, and start the thread that restores levels and counts lines."""
        logging.raiseExceptions = False  # else each line reports a full disk, in text that is not cleaned
        if self._settings.log_file is not None:
            sizes = {"maxBytes": self._settings.log_file_max_bytes, "backupCount": self._settings.log_file_count}
            dictConfig(config(self._settings, {"()": RotatingFile, **_file(self._settings), **sizes}))
        uncaught.install()
        threading.Thread(target=self._watch, name="logs", daemon=True).start()

    def stop(self) -> None:
        """Stop the thread, and log the number of lines dropped until now."""
        self._ending.set()
        self._report_dropped(all_of_them=True)

    def toggle_debug(self) -> None:
        """Handle an operator's signal: switch DEBUG on for DEBUG_SECONDS, or off."""
        self.levels.toggle_debug(DEBUG_SECONDS)

    def _watch(self) -> None:
        while not self._ending.wait(_TICK_SECONDS):
            self._report_dropped()
            self.levels.restore_due()

    def _report_dropped(self, *, all_of_them: bool = False) -> None:
        for handler in logging.getLogger().handlers:
            for log_filter in handler.filters:
                if isinstance(log_filter, Sampler):
                    log_filter.tell(all_of_them=all_of_them)
