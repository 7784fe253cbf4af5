"""The context of log lines: the user and the name of the request or command that is being handled.

Nothing is bound when the work begins. REST and Socket.IO each add a source, which is called when a line is written.
Most work writes no line and costs nothing.
"""

from collections.abc import Callable, Mapping

Source = Callable[[], Mapping[str, object]]

_sources: dict[Source, None] = {}


def add_source(source: Source) -> None:
    """Add a source of context fields. It is called in the greenlet of the work, and may return no fields."""
    _sources[source] = None


def current_fields() -> dict[str, object]:
    """Return the fields of all sources."""
    return {name: value for source in _sources for name, value in source().items()}
