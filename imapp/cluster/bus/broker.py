"""Message brokers between nodes: a node publishes to channels and subscribes to channels.

There are four brokers with one interface and one test suite (tests/cluster/test_brokers.py): in-process, one Redis
server, the master that Sentinels name, and a Redis Cluster with sharded pub/sub. Delivery is at most once. The broker
reports to its node when the node received nothing for a while (`Listener.gap`), and which channels lost messages before
these reached Redis (`Listener.missed`).
"""

from typing import Protocol

from imapp.telemetry import metrics


class Listener(Protocol):
    """The node's callbacks. The broker calls them in its own threads; they must not block."""

    def heard(self, channel: str, body: bytes) -> None:
        """Handle `body`, which another node published to a channel that this node is subscribed to."""

    def ready(self) -> None:
        """Handle the broker's first successful connection."""

    def gap(self, reason: str) -> None:
        """Handle a reconnection: this node received nothing for a while, and its clients may have missed any event."""

    def missed(self, channels: set[str] | None) -> None:
        """Handle the loss of messages to these channels, once publishing works again. None: too many to name."""


class NullListener:
    """A listener that ignores everything, for a process that only publishes."""

    def heard(self, channel: str, body: bytes) -> None:
        """Do nothing."""

    def ready(self) -> None:
        """Do nothing."""

    def gap(self, reason: str) -> None:
        """Do nothing."""

    def missed(self, channels: set[str] | None) -> None:
        """Do nothing."""


class Broker(Protocol):
    """One node's access to the bus. Only `settle` and `close` wait for the network."""

    @property
    def is_alone(self) -> bool:
        """Return whether there can be no other node."""

    @property
    def keeps_order(self) -> bool:
        """Return whether subscribers receive one node's messages on two channels in the order of publishing."""

    @property
    def is_up(self) -> bool:
        """Return whether this node receives its own canary messages."""

    def start(self, listener: Listener) -> None:
        """Start connecting in the background."""

    def publish(self, channel: str, body: bytes) -> bool:
        """Queue `body` for all other nodes that are subscribed to the channel; return whether it was queued."""

    def subscribe(self, channel: str) -> None:
        """Subscribe to a channel."""

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""

    def settle(self, seconds: float) -> bool:
        """Wait until the subscriptions made so far are confirmed; return whether they are, at once if not connected."""

    def close(self) -> None:
        """Send the queued messages and close."""


class Exchange:
    """Connects the in-process brokers of several nodes. A single node has an exchange of its own."""

    def __init__(self) -> None:
        self.members: list[MemoryBroker] = []


class MemoryBroker:
    """The broker within one process: delivers immediately, in order, without loss."""

    def __init__(self, exchange: Exchange | None = None) -> None:
        self._exchange = exchange or Exchange()
        self._exchange.members.append(self)
        self._channels: set[str] = set()
        self._listener: Listener | None = None
        self.is_alone = exchange is None
        self.keeps_order = True
        self.is_up = True

    def start(self, listener: Listener) -> None:
        """Report that the broker is ready."""
        self._listener = listener
        metrics.BUS_UP.set_function(lambda: 1)  # there is no connection that could fail
        listener.ready()

    def publish(self, channel: str, body: bytes) -> bool:
        """Deliver `body` to all other nodes that are subscribed to the channel."""
        for member in self._exchange.members:
            if member is not self and channel in member._channels and member._listener is not None:
                member._listener.heard(channel, body)
        return True

    def subscribe(self, channel: str) -> None:
        """Subscribe to a channel."""
        self._channels.add(channel)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        self._channels.discard(channel)

    def settle(self, seconds: float) -> bool:
        """Return True: subscriptions take effect immediately."""
        return True

    def close(self) -> None:
        """Leave the exchange."""
        self._exchange.members.remove(self)
