"""Publishing to the nodes from a process that serves no clients, or apart from its own bus: operators' commands."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imapp.cluster.bus.broker import Broker, NullListener
from imapp.cluster.bus.envelope import Channels, NodeCommand, encode
from imapp.cluster.bus.factory import make_broker
from imapp.cluster.bus.node_commands import Argument, CommandType
from imapp.cluster.bus.room_manager import RoomManager
from imapp.node import current_node

if TYPE_CHECKING:
    from imapp.settings import Settings

#: Seconds that connecting may take, and again that sending may take.
_SECONDS = 5.0


@contextmanager
def heard_by_the_nodes() -> Iterator[None]:
    """Send events and commands published in the block to the nodes; without Redis they reach no node."""
    settings = current_node().settings
    if settings.redis_url is None:
        yield
        return
    name, broker = _connect(settings)
    current_node().part(RoomManager).speak_as(name, broker)
    try:
        yield
    finally:
        _close(broker)


def give(settings: "Settings", node_id: str, command: CommandType[Argument], argument: Argument) -> bool:
    """Send a command to a node; return whether Redis took it. Waits for the network."""
    return _publish(settings, Channels(settings.cluster_name).node(node_id), command.make(None, argument))


def give_all(settings: "Settings", command: CommandType[Argument], argument: Argument) -> bool:
    """Send a command to all nodes, this one included; return whether Redis took it. Waits for the network."""
    return _publish(settings, Channels(settings.cluster_name).everybody, command.make(None, argument))


def _publish(settings: "Settings", channel: str, command: NodeCommand) -> bool:
    _, broker = _connect(settings)
    broker.publish(channel, encode(command))
    return _close(broker)


def _connect(settings: "Settings") -> tuple[str, Broker]:
    """Return a name of its own for this process and a broker that only publishes. Waits up to _SECONDS for Redis."""
    name = f"operator-{secrets.token_hex(4)}"
    broker = make_broker(settings.model_copy(update={"node_id": name}))
    broker.start(NullListener())
    deadline = time.monotonic() + _SECONDS
    while not broker.is_up and time.monotonic() < deadline:
        time.sleep(0.02)
    return name, broker


def _close(broker: Broker) -> bool:
    """Close a broker of `_connect`; return whether Redis took all its messages. Waits for the network."""
    is_sent = broker.settle(_SECONDS)
    broker.close()
    return is_sent
