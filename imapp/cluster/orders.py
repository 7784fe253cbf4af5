"""An order to a node from outside of the cluster: the operator's command line."""

import secrets
import time
from typing import TYPE_CHECKING, Any

from imapp.cluster.broker import Broker
from imapp.cluster.brokers import make_broker
from imapp.cluster.wire import Channels, Order, encode

if TYPE_CHECKING:
    from config import Settings

#: Seconds that connecting, and then sending, may take.
_SECONDS = 5.0


class _Deaf:
    """Sends only."""

    def heard(self, channel: str, body: bytes) -> None:
        """Hear nothing."""

    def ready(self) -> None:
        """Hear nothing."""

    def gap(self, reason: str) -> None:
        """Miss nothing."""

    def missed(self, channels: set[str] | None) -> None:
        """Miss nothing."""


def outsider(settings: "Settings") -> tuple[str, Broker]:
    """A broker that only speaks, and the name under which it does. Waits for Redis a moment."""
    name = f"operator-{secrets.token_hex(4)}"
    broker = make_broker(settings.model_copy(update={"node_id": name}))
    broker.start(_Deaf())
    deadline = time.monotonic() + _SECONDS
    while not broker.is_up and time.monotonic() < deadline:
        time.sleep(0.02)
    return name, broker


def dismiss(broker: Broker) -> bool:
    """Let it finish; gives whether Redis took what it said."""
    is_sent = broker.settle(_SECONDS)
    broker.close()
    return is_sent


def give(settings: "Settings", node_id: str, action: str, argument: Any = None) -> bool:
    """Tell the node what to do; gives whether Redis took the message. Waits for the network."""
    return _publish(settings, Channels(settings.cluster_name).node(node_id), Order(action, None, argument))


def give_all(settings: "Settings", action: str, argument: Any) -> bool:
    """Tell all nodes, this one included; gives whether Redis took the message. Waits for the network."""
    return _publish(settings, Channels(settings.cluster_name).everybody, Order(action, None, argument))


def _publish(settings: "Settings", channel: str, order: Order) -> bool:
    _, broker = outsider(settings)
    broker.publish(channel, encode(order))
    return dismiss(broker)
