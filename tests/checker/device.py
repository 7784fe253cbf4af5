"""A device connected to real nodes: the model device (tests/sync/model.py), with a thread that keeps it up to date."""

import random
import threading
from concurrent.futures import CancelledError
from typing import Any

from tests.checker.connection import Connection
from tests.checker.rest import RequestFailedError, Rest
from tests.support.clients.asynchronous import TROUBLE, LoopThread
from tests.sync.model import ModelDevice

#: Maximum number of changes of one conversation in one answer of `sync`.
_LIMIT = 200

#: Maximum seconds of any wait, so that the end of the checker is noticed.
_TURN = 0.5


class LiveDevice(ModelDevice):
    """See the module. It syncs only when the protocol demands it: it does not learn of an unpushed change by itself."""

    def __init__(self, me: dict[str, Any], token: str, urls: list[str], loop: LoopThread, number: int) -> None:
        super().__init__(me, token, Rest(urls, token, number))
        self.name = f"user-{me['id']}.{number}"
        self._urls = urls
        self._next_url = number
        self._loop = loop
        self._chance = random.Random(self.name)
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._poked = False
        #: Reasons of the hints to sync.
        self.hints: list[str] = []
        #: Ids of the messages pushed to this device.
        self.heard: set[str] = set()
        self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)

    def start(self) -> None:
        """Connect, and stay connected until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect for good."""
        self._over.set()
        self._thread.join(30)
        self.rest.close()

    # -- the connection ----------------------------------------------------------------------------------------

    def open_wire(self, token: str) -> Connection:
        """Connect to the next node."""
        self._next_url += 1
        return Connection(self._loop, self._urls[self._next_url % len(self._urls)], token, self._hear)

    def _hear(self, event: str, payload: dict[str, Any]) -> None:
        if event == "message_created":
            self.heard.add(payload["message"]["id"])

    def _live(self) -> None:
        failures = 0
        while not self._over.is_set():
            try:
                self.connect()
                failures = 0
                self._stay(self.wire)
            except (*TROUBLE, CancelledError):
                failures += 1
            with self._lock:
                self.disconnect()
            # Growing backoff with jitter, as the guide for clients demands.
            self._over.wait(self._chance.uniform(0.05, min(3.0, 0.3 * 2**failures)))

    def _stay(self, connection: Connection) -> None:
        while connection.is_open and not self._over.is_set():
            try:
                with self._lock:
                    if self._poked:
                        self._poked, self.is_level = False, False
                    self.catch_up(_LIMIT)
                    self.deliver(10_000)
            except RequestFailedError as exc:
                self._over.wait(max(exc.retry_after, self._chance.uniform(0.2, 0.6)))
                continue
            connection.wait(_TURN)

    def _ask(self, request: dict[str, Any], over_rest: bool) -> dict[str, Any]:
        if over_rest:
            return super()._ask(request, over_rest)
        answer = self.wire.call("sync", request)
        if not answer.pop("ok"):
            raise RequestFailedError(503, answer["error"]["code"], answer["error"].get("retry_after") or 0)
        return answer

    def _take_push(self, event: str, payload: dict[str, Any]) -> bool:
        if event == "sync_required":
            self.hints.append(payload["reason"])
            return False
        if event == "server_draining":
            self.wire.close_in(payload["reconnect_after_ms"] / 1000)
        return super()._take_push(event, payload)

    # -- observation -------------------------------------------------------------------------------------------

    @property
    def node(self) -> str:
        """The connected node's name, or "" without a connection."""
        connection = self.wire
        return connection.node if connection is not None and connection.is_open else ""

    def sync(self) -> None:
        """Call `sync` once more, without a hint."""
        self._poked = True
        connection = self.wire
        if connection is not None:
            connection.wake()

    def shown(self, patience: float = 0.2) -> dict[str, Any] | None:
        """Return the view of this device; None while it is not up to date."""
        if not self._lock.acquire(timeout=patience):
            return None
        try:
            is_there = self.is_level and not self._poked and self.node and not self.wire.inbox
            return self.view() if is_there else None
        finally:
            self._lock.release()

    def expected(self, fresh: dict[str, Any], _shown: dict[str, Any]) -> dict[str, Any]:
        """Return the expected view: that of a new device."""
        return fresh

    def known(self) -> list[int]:
        """Return the ids of the conversations that this device shows."""
        return sorted(self.conversations)

    def messages_of(self, conversation_id: int) -> list[dict[str, Any]]:
        """Return the last 12 messages that this device shows of a conversation, oldest first."""
        copy = self.conversations.get(conversation_id, {"messages": {}})
        return [message for _, message in sorted(copy["messages"].items())[-12:]]


class _Listed:
    """REST access for a new device that has read the whole list of conversations already."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self.history = rest.history
        self._cards = {f"/api/conversations/{card['id']}": card for card in rest.pages("/api/conversations", 100)}

    def __call__(self, path: str, body: Any = None) -> Any:
        return self._cards.get(path) or self._rest(path, body)


def fresh_view(me: dict[str, Any], token: str, rest: Rest) -> dict[str, Any]:
    """Return the view of a new device of the user after its first sync; raises RequestFailedError."""
    device = ModelDevice(me, token, _Listed(rest))
    device.catch_up(_LIMIT, over_rest=True)
    device.me = rest("/api/users/me")
    return device.view()
