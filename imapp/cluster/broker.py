"""What carries messages between nodes: channels that a node publishes to and is subscribed to.

Four carriers behind one interface, with one test suite for all (tests/cluster/test_brokers.py): in-process, one Redis,
the master that Sentinels name, a Redis Cluster with sharded pub/sub. Delivery is at most once. A node that was deaf
for a moment is told so (`Listener.gap`), and a channel whose messages were lost before they reached Redis gets a hint
in their place (`Listener.missed`).
"""

from typing import Protocol

from imapp import metrics


class Listener(Protocol):
    """The node. Called in the broker's threads; must not block."""

    def heard(self, channel: str, body: bytes) -> None:
        """Another node published `body` to a channel that this node is subscribed to."""

    def ready(self) -> None:
        """The broker works for the first time."""

    def gap(self, reason: str) -> None:
        """The broker works again after this node was deaf: its clients may have missed anything."""

    def missed(self, channels: set[str] | None) -> None:
        """Messages to these channels were lost, and publishing works again. None: too many to name."""


class Broker(Protocol):
    """One node's access. No method waits for the network unless it says so."""

    @property
    def is_alone(self) -> bool:
        """Whether there can be no other node."""

    @property
    def keeps_order(self) -> bool:
        """Whether what one node says on two channels is heard in that order."""

    @property
    def is_up(self) -> bool:
        """Whether this node hears itself."""

    def start(self, listener: Listener) -> None:
        """Begin to connect."""

    def publish(self, channel: str, body: bytes) -> bool:
        """Give `body` to all other nodes that are subscribed to the channel; tells whether it could be queued."""

    def subscribe(self, channel: str) -> None:
        """Hear a channel."""

    def unsubscribe(self, channel: str) -> None:
        """Hear it no longer."""

    def settle(self, seconds: float) -> bool:
        """Wait until the subscriptions made so far are in force; tells whether they are. At once when down."""

    def close(self) -> None:
        """Send what waits and end."""


class Exchange:
    """Where the in-process brokers of several nodes meet; one that nobody else joins is a single node's."""

    def __init__(self) -> None:
        self.members: list[MemoryBroker] = []


class MemoryBroker:
    """The carrier within one process: at once, in order, nothing lost."""

    def __init__(self, exchange: Exchange | None = None) -> None:
        self._exchange = exchange or Exchange()
        self._exchange.members.append(self)
        self._channels: set[str] = set()
        self._listener: Listener | None = None
        self.is_alone = exchange is None
        self.keeps_order = True
        self.is_up = True

    def start(self, listener: Listener) -> None:
        """Begin."""
        self._listener = listener
        metrics.BUS_UP.set_function(lambda: 1)  # nothing that could be deaf
        listener.ready()

    def publish(self, channel: str, body: bytes) -> bool:
        """Give `body` to the others who are subscribed."""
        for member in self._exchange.members:
            if member is not self and channel in member._channels and member._listener is not None:
                member._listener.heard(channel, body)
        return True

    def subscribe(self, channel: str) -> None:
        """Hear a channel."""
        self._channels.add(channel)

    def unsubscribe(self, channel: str) -> None:
        """Hear it no longer."""
        self._channels.discard(channel)

    def settle(self, seconds: float) -> bool:
        """Tell that all is in force."""
        return True

    def close(self) -> None:
        """Leave."""
        self._exchange.members.remove(self)
