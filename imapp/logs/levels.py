"""Log levels that an operator changes while the node runs; they are restored automatically."""

import logging
import time
from dataclasses import dataclass

from imapp.logs.lines import get_logger

log = get_logger(__name__)

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

#: Loggers that may get another level, including their children. Libraries that log the data they handle are left out.
ROOTS = ("imapp", "gunicorn", "flask", "alembic")


@dataclass(frozen=True)
class _Before:
    """A logger's own level, and the monotonic time at which it is restored; None: never."""

    level: int
    until: float | None


class Levels:
    """The changed log levels of one process."""

    def __init__(self) -> None:
        self._before: dict[str, _Before] = {}

    def change(self, level: str, name: str, seconds: float) -> None:
        """Set the level of a logger for `seconds`; 0: until the node ends.

        The name "" stands for all loggers without a level of their own. Raises ValueError for an unknown level, or a
        logger that must not be changed.
        """
        if level not in LEVELS or not is_allowed(name):
            raise ValueError("no such level or logger")
        logger = logging.getLogger(name)
        known = self._before.get(name)
        before = known.level if known else logger.level
        self._before[name] = _Before(before, time.monotonic() + seconds if seconds else None)
        # Logged before the change, because the new level may hide this line.
        log.warning("log_level_changed", of=name or "root", to=level, seconds=seconds)
        logger.setLevel(level)

    def toggle_debug(self, seconds: float) -> None:
        """Set the level of everything to DEBUG for `seconds`, or restore it if it was changed before."""
        if "" in self._before:
            self._restore("")
        else:
            self.change("DEBUG", "", seconds)

    def restore_due(self) -> None:
        """Restore the levels that are due. Call this every second."""
        now = time.monotonic()
        for name, before in list(self._before.items()):
            if before.until is not None and before.until <= now:
                self._restore(name)

    def _restore(self, name: str) -> None:
        level = self._before.pop(name).level
        logging.getLogger(name).setLevel(level)
        log.warning("log_level_restored", of=name or "root", to=logging.getLevelName(level))


def is_allowed(name: str) -> bool:
    """Return whether the level of this logger may be changed."""
    return not name or name.partition(".")[0] in ROOTS
