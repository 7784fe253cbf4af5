"""Levels that an operator changes while the node runs; they go back by themselves."""

import logging
import time
from dataclasses import dataclass

from imapp.logs.lines import get_logger

log = get_logger(__name__)

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

#: Loggers whose level may be changed, with all below them. Not those of libraries that log what passes through.
ROOTS = ("imapp", "gunicorn", "flask", "alembic")


@dataclass(frozen=True)
class _Before:
    """A logger's own level, and until when (monotonic) another one counts; None: until the node ends."""

    level: int
    until: float | None


class Levels:
    """The changes of one process."""

    def __init__(self) -> None:
        self._before: dict[str, _Before] = {}

    def change(self, level: str, name: str, seconds: float) -> None:
        """Set the level of a logger ("": of all that have none of their own) for so long; 0: until the node ends.

        Raises ValueError for what must not be set.
        """
        if level not in LEVELS or not is_allowed(name):
            raise ValueError("no such level or logger")
        logger = logging.getLogger(name)
        known = self._before.get(name)
        before = known.level if known else logger.level
        self._before[name] = _Before(before, time.monotonic() + seconds if seconds else None)
        # Before: a level may hide it.
        log.warning("log_level_changed", of=name or "root", to=level, seconds=seconds)
        logger.setLevel(level)

    def toggle_debug(self, seconds: float) -> None:
        """DEBUG of everything for so long, or back at once."""
        if "" in self._before:
            self._restore("")
        else:
            self.change("DEBUG", "", seconds)

    def restore_due(self) -> None:
        """Set back what is over; to be called every second."""
        now = time.monotonic()
        for name, before in list(self._before.items()):
            if before.until is not None and before.until <= now:
                self._restore(name)

    def _restore(self, name: str) -> None:
        level = self._before.pop(name).level
        logging.getLogger(name).setLevel(level)
        log.warning("log_level_restored", of=name or "root", to=logging.getLevelName(level))


def is_allowed(name: str) -> bool:
    """Whether the level of this logger may be changed."""
    return not name or name.partition(".")[0] in ROOTS
