"""Limit the lines of one event per second, so that a flood does not fill the disk; further lines are only counted."""

import logging
import time
from dataclasses import dataclass

from imapp.logs.lines import Line, get_logger

log = get_logger(__name__)

_WINDOW_SECONDS = 1.0


@dataclass
class _Window:
    """The number of an event's lines since a monotonic time."""

    since: float
    seen: int = 0


class Sampler(logging.Filter):
    """Log filter that passes `per_second` lines of each event in a second (0: all), and logs how many it dropped.

    An event is identified by its logger and name; a library's line, which has no event name, by its logger and the
    place of the call. Nothing here switches greenlets, so there is no lock.
    """

    def __init__(self, per_second: int) -> None:
        super().__init__()
        self._per_second = per_second
        self._windows: dict[tuple[str, str], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written."""
        if not self._per_second or record.name == __name__:
            return True
        event = record.msg["event"] if isinstance(record.msg, Line) else f"{record.pathname}:{record.lineno}"
        key = (record.name, str(event))
        window = self._windows.get(key)
        if window is None or time.monotonic() - window.since >= _WINDOW_SECONDS:
            self._end(key)
            window = self._windows[key] = _Window(time.monotonic())
        window.seen += 1
        return window.seen <= self._per_second

    def tell(self, *, all_of_them: bool = False) -> None:
        """Log the number of lines dropped in finished seconds, or with `all_of_them` in the current one too.

        Call this every second, and at the end.
        """
        now = time.monotonic()
        for key, window in list(self._windows.items()):
            if all_of_them or now - window.since >= _WINDOW_SECONDS:
                self._end(key)

    def _end(self, key: tuple[str, str]) -> None:
        window = self._windows.pop(key, None)
        if window is not None and window.seen > self._per_second:
            log.warning("lines_suppressed", of=key[1], by=key[0], lines=window.seen - self._per_second)
