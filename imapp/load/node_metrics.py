"""The nodes' own metrics during the test: processor time, memory and connections."""

import threading
import time
from typing import NamedTuple

from imapp.load.errors import LoadError
from imapp.load.json import JsonObject
from imapp.load.options import Options
from imapp.load.rest import Rest

#: Seconds between two requests for the metrics, each of which takes some milliseconds on the node.
_SECONDS = 5.0

_CPU, _MEMORY, _CONNECTIONS = "imapp_cpu_seconds_total", "imapp_memory_bytes", "imapp_connections"


class _Reading(NamedTuple):
    """A reading of a node's processor time, in seconds, and its monotonic time."""

    at: float
    cpu: float


class NodeMetrics(threading.Thread):
    """A thread that reads `/actuator/prometheus` of each node; a node without it is left out."""

    def __init__(self, options: Options, began: float) -> None:
        super().__init__(name="node metrics", daemon=True)
        self._nodes = {url: Rest(url, options.ca) for url in options.nodes}
        self._began = began
        self._over = threading.Event()
        self._last: dict[str, _Reading] = {}
        self.rows: dict[str, list[dict[str, float | None]]] = {url: [] for url in options.nodes}
        #: The reason for missing figures, by node.
        self.troubles: dict[str, str] = {}

    def run(self) -> None:
        """Read the metrics at intervals until `stop`."""
        while self._nodes:
            for url, rest in self._nodes.items():
                self._read(url, rest)
            if self._over.wait(_SECONDS):
                break

    def _read(self, url: str, rest: Rest) -> None:
        try:
            answer = rest.request("GET", "/actuator/prometheus")
        except LoadError as exc:
            self.troubles[url] = str(exc)
            return
        found = figures(answer.body.decode("utf-8", "replace"))
        if answer.status != 200 or _CPU not in found:
            self.troubles[url] = f"{url}/actuator/prometheus answers {answer.status}, without {_CPU}"
            return
        before, now = self._last.get(url), _Reading(time.monotonic(), found[_CPU])
        self._last[url] = now
        row = {
            "at": round(now.at - self._began, 1),
            "cpu": round((now.cpu - before.cpu) / (now.at - before.at), 3) if before else None,
            "memory_mib": round(found.get(_MEMORY, 0) / 2**20, 1),
            "connections": found.get(_CONNECTIONS, 0),
        }
        self.rows[url].append(row)

    def stop(self) -> JsonObject:
        """Stop the thread; return the figures and the troubles."""
        self._over.set()
        if self.is_alive():
            self.join(_SECONDS)
        return {"rows": self.rows, "troubles": self.troubles}


def figures(text: str) -> dict[str, float]:
    """Return the metrics without labels."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if not line.startswith("#") and "{" not in name:
            found[name] = float(value)
    return found
