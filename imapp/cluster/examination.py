"""An outsider asks each node, over the bus, how it is: who answers hears the bus and is heard."""

import secrets
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imapp.cluster import wire
from imapp.cluster.brokers import make_broker
from imapp.cluster.wire import Channels, Order

if TYPE_CHECKING:
    from config import Settings

#: Seconds that the outsider's own connection to the bus may take, and then the nodes' answers.
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 6.0

#: Seconds for a second answer under a name that has answered: there should be none.
_ECHO_SECONDS = 0.5


@dataclass(frozen=True)
class Answer:
    """A node's facts (facts.py), and how far its clock is ahead of this machine's, give or take half the way."""

    facts: dict[str, Any]
    seconds: float
    ahead_seconds: float


@dataclass
class Examination:
    """`is_up`: the outsider heard itself over the bus, after `seconds`."""

    is_up: bool = False
    seconds: float = 0.0
    answers: list[Answer] = field(default_factory=list)


class _Ear:
    """Collects the answers."""

    def __init__(self) -> None:
        self.asked_at = 0.0
        self.answers: list[Answer] = []
        self.has_answer = threading.Event()

    def heard(self, _channel: str, body: bytes) -> None:
        """A node answers."""
        message, now = wire.decode(body), time.time()
        if isinstance(message, Order) and message.action == wire.EXAMINED:
            middle = (self.asked_at + now) / 2
            ahead = message.argument["clock"] - middle
            self.answers.append(Answer(message.argument, now - self.asked_at, ahead))
            self.has_answer.set()

    def ready(self) -> None:
        """Nothing to do."""

    def gap(self, reason: str) -> None:
        """Nothing to do."""

    def missed(self, channels: set[str] | None) -> None:
        """Nothing to do."""


def examine(settings: "Settings", node_ids: Collection[str]) -> Examination:
    """Ask these nodes; waits for the network, for the sum of the times above at most."""
    name = f"doctor-{secrets.token_hex(4)}"
    broker, ear = make_broker(settings.model_copy(update={"node_id": name})), _Ear()
    channels, began = Channels(settings.cluster_name), time.monotonic()
    broker.subscribe(channels.node(name))
    broker.start(ear)
    try:
        while not broker.is_up and time.monotonic() - began < CONNECT_SECONDS:
            time.sleep(0.02)
        found = Examination(broker.is_up, time.monotonic() - began, ear.answers)
        if found.is_up and broker.settle(CONNECT_SECONDS):
            ear.asked_at = time.time()
            for node_id in node_ids:
                broker.publish(channels.node(node_id), wire.encode(Order(wire.EXAMINE, None, name)))
            _wait(ear, set(node_ids))
        return found
    finally:
        broker.close()


def _wait(ear: _Ear, node_ids: set[str]) -> None:
    """Until all have answered; a moment longer for those who should not."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while node_ids - {one.facts["id"] for one in ear.answers} and time.monotonic() < deadline:
        ear.has_answer.clear()
        ear.has_answer.wait(0.1)
    time.sleep(_ECHO_SECONDS)
