"""The work at hand: who asked for it, and how it is called.

Nothing is bound when work begins. Each door adds a source, which is asked when a line is written: most work writes
none, and pays nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

Source = Callable[[], Mapping[str, Any]]

_sources: dict[Source, None] = {}


def add_source(source: Source) -> None:
    """Ask this one, too: it gives fields of the work at hand, or none. It is called in the work's own greenlet."""
    _sources[source] = None


def at_hand() -> dict[str, Any]:
    """All that is known."""
    return {name: value for source in _sources for name, value in source().items()}
