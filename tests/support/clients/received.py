"""The pushes that a client has received, and waiting for one."""

import threading
import time
from collections.abc import Callable
from typing import Any


class ReceivedEvents:
    """Base of a client that keeps its pushes in `events`, as (event, payload)."""

    #: Seconds that `wait_for` waits unless told otherwise.
    patience = 60.0

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._heard = threading.Condition()

    def received(self, event: str) -> list[dict[str, Any]]:
        """Return the payloads of an event received so far."""
        return [payload for name, payload in list(self.events) if name == event]

    def wait_for(
        self,
        event: str,
        matches: Callable[[dict[str, Any]], bool] = lambda _payload: True,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Wait for an event with a matching payload; return the payload."""
        timeout = timeout or self.patience
        deadline = time.monotonic() + timeout
        with self._heard:
            while True:
                for payload in self.received(event):
                    if matches(payload):
                        return payload
                left = deadline - time.monotonic()
                assert left > 0, f"no such {event} within {timeout} s; received: {[name for name, _ in self.events]}"
                self._heard.wait(left)
