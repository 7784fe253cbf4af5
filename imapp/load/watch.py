"""The nodes' own metrics during the test: processor time, memory and connections."""

import threading
import time

from imapp.load.errors import LoadError
from imapp.load.options import Options
from imapp.load.rest import Rest
from imapp.schemas.base import JsonObject

#: Seconds between two requests for the metrics, each of which takes some milliseconds on the node.
_SECONDS = 5.0

_CPU, _MEMORY, _CONNECTIONS = "imapp_cpu_seconds_total", "imapp_memory_bytes", "imapp_connections"


class Watch(threading.Thread):
    """A thread that reads `/actuator/prometheus` of each node; a node without it is left out."""

    def __init__(self, options: Options, began: float) -> None:
        super().__init__(name="watch", daemon=True)
        self._nodes = {url: Rest(url, options.ca) for url in options.nodes}
        self._began = began
        self._over = threading.Event()
        self._last: dict[str, tuple[float, float]] = {}
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
            status, body, _ = rest.request("GET", "/actuator/prometheus")
        except LoadError as exc:
            self.troubles[url] = str(exc)
            return
        found = figures(body.decode("utf-8", "replace"))
        if status != 200 or _CPU not in found:
            self.troubles[url] = f"{url}/actuator/prometheus answers {status}, without {_CPU}"
            return
        now, cpu = time.monotonic(), found[_CPU]
        before, self._last[url] = self._last.get(url), (now, cpu)
        row = {
            "at": round(now - self._began, 1),
            "cpu": round((cpu - before[1]) / (now - before[0]), 3) if before else None,
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
