"""Orders between nodes: connections enter and leave rooms, with and without a common order of channels."""

from types import SimpleNamespace

import pytest

from imapp.cluster.bus import envelope
from imapp.cluster.bus.broker import Exchange, MemoryBroker
from imapp.cluster.bus.room_manager import RoomManager
from imapp.cluster.trace_ring import TraceRing

GROUP = "conv:1"


class Node(RoomManager):
    """A node's rooms; the calls that it would make for its clients are recorded."""

    def __init__(self, *, keeps_order: bool) -> None:
        broker = MemoryBroker(Exchange())
        broker.keeps_order = keeps_order
        super().__init__(broker, cluster="c", node_id="n1", ring=TraceRing(messages=1, seconds=1))
        self.told_to_sync: list[str] = []
        self.channels: list[str] = []
        broker.publish = lambda channel, _frame: self.channels.append(channel)
        upkeep = SimpleNamespace(
            catch_up=lambda sids, _reason: self.told_to_sync.extend(sids), recheck=lambda _sids: None
        )
        self.server = SimpleNamespace(
            upkeep=upkeep,
            start_background_task=lambda task, *arguments: task(*arguments),
        )

    def connect_user(self, sid: str, user_id: int) -> None:
        for room in (None, f"user:{user_id}"):
            self.basic_enter_room(sid, "/", room, f"eio-{sid}")

    def hear(self, action: str, user_id: int) -> None:
        order = envelope.NodeCommand(action, f"user:{user_id}", GROUP)
        self._take_order(order)


@pytest.fixture(params=[True, False], ids=["one Redis", "Redis Cluster"])
def node(request):
    """Create a node with a connection of user 1 in the group, and one of user 2 outside it."""
    made = Node(keeps_order=request.param)
    made.connect_user("a", 1)
    made.connect_user("b", 2)
    made.basic_enter_room("a", "/", GROUP)
    return made


def test_entering_a_room_known_to_the_node_needs_a_sync_only_if_a_message_may_have_overtaken_the_order(node):
    node.hear("enter", 2)

    assert node.get_participants("/", GROUP) == [("a", "eio-a"), ("b", "eio-b")]
    assert node.told_to_sync == ([] if node.broker.keeps_order else ["b"])


def test_leaving_a_room_takes_effect_before_later_messages_of_that_room(node):
    node.act("leave", "user:1", GROUP)

    both = ["c:room:user:1", f"c:room:{GROUP}"]
    assert node.channels == (both[:1] if node.broker.keeps_order else both)
    assert node.get_participants("/", GROUP) == []


def test_nothing_is_kept_for_entering_users_without_a_connection_here(node):
    for user_id in range(100, 200):
        node.hear("enter", user_id)
        node.act("enter", f"user:{user_id}", "conv:2")

    assert node._settling == {}
    assert node.told_to_sync == []
