"""Where lines go: standard error, or a file that does not grow without end."""

import logging
import sys
import threading
from logging.config import dictConfig
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any

from imapp.logs import strays
from imapp.logs.levels import Levels
from imapp.logs.rendering import formatter
from imapp.logs.sampling import Sampler

if TYPE_CHECKING:
    from settings import Settings

#: Seconds that an operator's DEBUG by signal lasts.
DEBUG_SECONDS = 600

_TICK_SECONDS = 1.0

_STDERR = {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}


class RotatingFile(RotatingFileHandler):
    """The file, and so many before it: FILE.1 is the latest."""

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        """Whether the file is full; the stock one formats each line twice to know, and opens none for the first."""
        return self.stream is not None and self.maxBytes > 0 and self.stream.tell() >= self.maxBytes


def config(settings: "Settings", handler: dict[str, Any], *, level: str | None = None) -> dict[str, Any]:
    """The configuration of the standard library's logging: all lines, whoever writes them, go to one handler."""
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
            # What these two say at every start and stop is of no use to an operator.
            "gunicorn.error": {"level": "WARNING", "propagate": True},
            "alembic": {"level": "WARNING"},
            # They log what passes through, and without a level they make handlers of their own.
            "engineio.server": {"level": "ERROR"},
            "socketio.server": {"level": "ERROR"},
            "sqlalchemy": {"level": "WARNING"},
        },
    }  # fmt: skip


def of_command(settings: "Settings") -> dict[str, Any]:
    """The configuration of a `flask` command: what goes wrong, where its user sees it."""
    return config(settings, _STDERR, level="WARNING")


def of_master(settings: "Settings") -> dict[str, Any]:
    """The configuration of gunicorn's master, who writes little; into the file that its worker turns over."""
    if settings.log_file is None:
        return config(settings, _STDERR)
    return config(settings, {"class": "logging.handlers.WatchedFileHandler", **_file(settings)})


def _file(settings: "Settings") -> dict[str, Any]:
    return {"filename": str(settings.log_file), "encoding": "utf-8"}


class NodeLogs:
    """The lines of the process that serves."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self.levels = Levels()
        self._ending = threading.Event()

    def start(self) -> None:
        """Take over from gunicorn's master, and look after the lines from now on."""
        logging.raiseExceptions = False  # a full disk is no news line by line, and that text is not cleaned
        if self._settings.log_file is not None:
            sizes = {"maxBytes": self._settings.log_file_max_bytes, "backupCount": self._settings.log_file_count}
            dictConfig(config(self._settings, {"()": RotatingFile, **_file(self._settings), **sizes}))
        strays.catch()
        threading.Thread(target=self._watch, name="logs", daemon=True).start()

    def stop(self) -> None:
        """Say what was left out until now."""
        self._ending.set()
        self._tell(all_of_them=True)

    def toggle_debug(self) -> None:
        """An operator's signal."""
        self.levels.toggle_debug(DEBUG_SECONDS)

    def _watch(self) -> None:
        while not self._ending.wait(_TICK_SECONDS):
            self._tell()
            self.levels.restore_due()

    def _tell(self, *, all_of_them: bool = False) -> None:
        for handler in logging.getLogger().handlers:
            for one in handler.filters:
                if isinstance(one, Sampler):
                    one.tell(all_of_them=all_of_them)
