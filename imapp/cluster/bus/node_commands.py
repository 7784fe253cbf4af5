"""Orders to nodes from a process that is no node: the operator's command line."""

import secrets
import time
from typing import TYPE_CHECKING, Any

from imapp.cluster.bus.broker import Broker
from imapp.cluster.bus.envelope import Channels, NodeCommand, encode
from imapp.cluster.bus.factory import make_broker

if TYPE_CHECKING:
    from imapp.settings import Settings

#: Seconds that connecting may take, and again that sending may take.
_SECONDS = 5.0


class _NullListener:
    """A listener that ignores everything, for a process that only publishes."""

    def heard(self, channel: str, body: bytes) -> None:
        """Do nothing."""

    def ready(self) -> None:
        """Do nothing."""

    def gap(self, reason: str) -> None:
        """Do nothing."""

    def missed(self, channels: set[str] | None) -> None:
        """Do nothing."""


def outsider(settings: "Settings") -> tuple[str, Broker]:
    """Return a name of its own for this process and a broker that only publishes. Waits up to _SECONDS for Redis."""
    name = f"operator-{secrets.token_hex(4)}"
    broker = make_broker(settings.model_copy(update={"node_id": name}))
    broker.start(_NullListener())
    deadline = time.monotonic() + _SECONDS
    while not broker.is_up and time.monotonic() < deadline:
        time.sleep(0.02)
    return name, broker


def dismiss(broker: Broker) -> bool:
    """Close a broker of `outsider`; return whether Redis took all its messages. Waits for the network."""
    is_sent = broker.settle(_SECONDS)
    broker.close()
    return is_sent


def give(settings: "Settings", node_id: str, action: str, argument: Any = None) -> bool:
    """Send an order to a node; return whether Redis took it. Waits for the network."""
    return _publish(settings, Channels(settings.cluster_name).node(node_id), NodeCommand(action, None, argument))


def give_all(settings: "Settings", action: str, argument: Any) -> bool:
    """Send an order to all nodes, this one included; return whether Redis took it. Waits for the network."""
    return _publish(settings, Channels(settings.cluster_name).everybody, NodeCommand(action, None, argument))


def _publish(settings: "Settings", channel: str, order: NodeCommand) -> bool:
    _, broker = outsider(settings)
    broker.publish(channel, encode(order))
    return dismiss(broker)
