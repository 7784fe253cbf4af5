"""The doctor's questions to each node over the bus. An answer proves that the node receives and can publish."""

import secrets
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imapp.cluster.bus import envelope
from imapp.cluster.bus.broker import NullListener
from imapp.cluster.bus.envelope import Channels, NodeCommand
from imapp.cluster.bus.factory import make_broker
from imapp.cluster.bus.node_commands import EXAMINE, EXAMINED
from imapp.cluster.bus.node_facts import NodeFacts

if TYPE_CHECKING:
    from imapp.settings import Settings

#: Seconds that the doctor's own connection to the bus may take, and then the nodes' answers.
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 6.0

#: Seconds to wait for a second answer from a node that has answered. A second answer means two processes with one name.
_ECHO_SECONDS = 0.5


@dataclass(frozen=True)
class Answer:
    """A node's facts (node_facts.py), the round-trip time, and how far its clock is ahead of this machine's.

    The error of `ahead_seconds` is at most half of the round trip (`seconds`).
    """

    facts: NodeFacts
    seconds: float
    ahead_seconds: float


@dataclass
class Examination:
    """The result. `is_up`: whether the doctor received its own canary over the bus, after `seconds`."""

    is_up: bool = False
    seconds: float = 0.0
    answers: list[Answer] = field(default_factory=list)


class _AnswerCollector(NullListener):
    """Collects the answers."""

    def __init__(self) -> None:
        self.asked_at = 0.0
        self.answers: list[Answer] = []
        self.has_answer = threading.Event()

    def heard(self, channel: str, body: bytes) -> None:
        """Store a node's answer."""
        message, now = envelope.decode(body), time.time()
        if isinstance(message, NodeCommand) and message.name == EXAMINED.name:
            middle = (self.asked_at + now) / 2
            ahead = message.argument["clock"] - middle
            self.answers.append(Answer(message.argument, now - self.asked_at, ahead))
            self.has_answer.set()


def examine(settings: "Settings", node_ids: Collection[str]) -> Examination:
    """Ask these nodes and return their answers. Waits for the network, at most 2 * CONNECT_SECONDS + ANSWER_SECONDS."""
    name = f"doctor-{secrets.token_hex(4)}"
    broker, collector = make_broker(settings.model_copy(update={"node_id": name})), _AnswerCollector()
    channels, began = Channels(settings.cluster_name), time.monotonic()
    broker.subscribe(channels.node(name))
    broker.start(collector)
    try:
        while not broker.is_up and time.monotonic() - began < CONNECT_SECONDS:
            time.sleep(0.02)
        found = Examination(broker.is_up, time.monotonic() - began, collector.answers)
        if found.is_up and broker.settle(CONNECT_SECONDS):
            collector.asked_at = time.time()
            for node_id in node_ids:
                broker.publish(channels.node(node_id), envelope.encode(EXAMINE.make(None, name)))
            _wait(collector, set(node_ids))
        return found
    finally:
        broker.close()


def _wait(collector: _AnswerCollector, node_ids: set[str]) -> None:
    """Wait until all nodes have answered, and _ECHO_SECONDS longer for unexpected second answers."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while node_ids - {one.facts["id"] for one in collector.answers} and time.monotonic() < deadline:
        collector.has_answer.clear()
        collector.has_answer.wait(0.1)
    time.sleep(_ECHO_SECONDS)
