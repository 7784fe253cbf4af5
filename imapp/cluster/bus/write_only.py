"""Publishing of events and orders to the nodes from a process that serves no clients: the operator's commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from imapp.cluster.bus import node_commands
from imapp.cluster.bus.room_manager import RoomManager
from imapp.node import current_node


@contextmanager
def heard_by_the_nodes() -> Iterator[None]:
    """Send events and orders published in the block to the nodes of the cluster; without Redis they reach no node."""
    settings = current_node().settings
    if settings.redis_url is None:
        yield
        return
    name, broker = node_commands.outsider(settings)
    current_node().part(RoomManager).speak_as(name, broker)
    try:
        yield
    finally:
        node_commands.dismiss(broker)
