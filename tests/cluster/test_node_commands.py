"""Commands between nodes: connections enter and leave rooms, with and without a common order of channels."""

from types import SimpleNamespace

import pytest

from imapp.cluster.bus.broker import Exchange, MemoryBroker
from imapp.cluster.bus.node_commands import DRAIN, ENTER, LEAVE, CommandType
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

    def hear_enter(self, user_id: int) -> None:
        self._take_command(ENTER.make(f"user:{user_id}", GROUP))


@pytest.fixture(params=[True, False], ids=["one Redis", "Redis Cluster"])
def node(request):
    """Create a node with a connection of user 1 in the group, and one of user 2 outside it."""
    made = Node(keeps_order=request.param)
    made.connect_user("a", 1)
    made.connect_user("b", 2)
    made.basic_enter_room("a", "/", GROUP)
    return made


def test_entering_a_room_known_to_the_node_needs_a_sync_only_if_a_message_may_have_overtaken_the_command(node):
    node.hear_enter(2)

    assert node.get_participants("/", GROUP) == [("a", "eio-a"), ("b", "eio-b")]
    assert node.told_to_sync == ([] if node.broker.keeps_order else ["b"])


def test_leaving_a_room_takes_effect_before_later_messages_of_that_room(node):
    node.act(LEAVE, "user:1", GROUP)

    both = ["c:room:user:1", f"c:room:{GROUP}"]
    assert node.channels == (both[:1] if node.broker.keeps_order else both)
    assert node.get_participants("/", GROUP) == []


def test_nothing_is_kept_for_entering_users_without_a_connection_here(node):
    for user_id in range(100, 200):
        node.hear_enter(user_id)
        node.act(ENTER, f"user:{user_id}", "conv:2")

    assert node._settling == {}
    assert node.told_to_sync == []


def test_a_command_to_the_node_reaches_its_handler_and_an_unknown_one_is_ignored(node):
    handled = []
    node.on(DRAIN, handled.append)

    node._take_command(DRAIN.make(None, None))
    node._take_command(CommandType("of a later version").make(None, None))

    assert handled == [None]
