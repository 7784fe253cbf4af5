"""Rooms across nodes: a client manager of python-socketio over a broker.

A room is a channel: a node is subscribed while it has a member. An emit is delivered to this node's members at once
and published once to the room's channel; nodes without a member do not receive it. Actions on the connections of a
room (enter or leave another room, disconnect) travel as node commands (node_commands.py) over the same channel, so they
act on every node. A session id contains its node (`node-1~...`): emits and commands for one connection go to that node
only.

Nothing here waits for the network, except a background task that waits for subscriptions.
"""

import itertools
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from flask import Flask

from imapp.cluster.bus import envelope, node_commands, node_facts
from imapp.cluster.bus.broker import Broker
from imapp.cluster.bus.client_acks import ClientAcks, with_ack_id
from imapp.cluster.bus.delivery_log import DeliveryLog
from imapp.cluster.bus.envelope import Emit, NodeCommand
from imapp.cluster.bus.local_rooms import LocalRooms
from imapp.cluster.bus.node_commands import Argument, CommandType
from imapp.cluster.bus.push_marks import PushMarks, number_of
from imapp.cluster.bus.replays import Replays
from imapp.cluster.bus.room_names import NAMESPACE
from imapp.cluster.trace_ring import TraceRing
from imapp.engine.engineio_packets import MESSAGE, OutgoingPacket
from imapp.engine.socketio_packets import EVENT
from imapp.logs import get_logger
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Rooms of this prefix have no connection in common (each connection has one user).
_DISJOINT = "user:"

#: Number of recent messages to several rooms that are remembered, to drop the copies, which arrive within milliseconds.
_RECENT = 4096

#: Maximum seconds to wait for a subscription; after that the connections in the room are told to sync anyway.
_SETTLE_SECONDS = 2.0


class Upkeep(Protocol):
    """What the room manager asks of its node; returns at once and works in the background."""

    def catch_up(self, sids: list[str], reason: str) -> None:
        """Have these connections, which may have missed something, checked and told to sync."""

    def recheck(self, sids: list[str]) -> None:
        """Compare the rooms of these connections with the stored memberships."""

    def reconcile(self, *, is_node_lost: bool) -> None:
        """Compare what has been pushed with what is stored."""


class Server(Protocol):
    """The Socket.IO server of this node, as the room manager uses it."""

    app: Flask
    eio: Any
    packet_class: Any
    upkeep: Upkeep

    def send_to_many(self, eio_sids: list[str], parts: list[Any]) -> None:
        """Send the same Engine.IO packets to many sessions."""

    def when_flushed(self, act: Callable[[], None]) -> None:
        """Call `act` when the kernel has taken what was sent."""

    def start_background_task(self, target: Callable[..., Any], *args: Any) -> Any:
        """Run `target` in a greenlet or a thread."""

    def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """End a client's session."""


class RoomManager(LocalRooms):
    """See the module.

    `on` adds handlers of commands to the node itself. The server's `upkeep` brings connections up to date that may have
    missed events.
    """

    #: Set by python-socketio's server.
    server: Server

    def __init__(self, broker: Broker, *, cluster: str, node_id: str, ring: TraceRing) -> None:
        super().__init__()
        self.broker = broker
        #: Grows whenever a user enters or leaves a room: memberships that were read before may be out of date.
        self.last_move = 0
        self._channels = envelope.Channels(cluster)
        self._node_id = node_id
        #: Random prefix of message numbers, so that they differ from those of this node before a restart.
        self._life = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._recent: set[str] = set()
        self._recent_order: deque[str] = deque()
        self._awaited = ClientAcks()
        #: Connections that a command put into a room while the subscription to it may be unconfirmed, by room.
        self._settling: dict[str | None, list[str]] = {}
        self._following = DeliveryLog(ring, self._when_flushed)
        self._replays = Replays()
        #: The numbers of what has been pushed to the members of rooms on this node.
        self.told = PushMarks()
        self._handlers: dict[str, Callable[[Any], None]] = {}
        self.on(node_commands.ANSWER, lambda answer: self._answered(*answer))
        self.on(node_commands.EXAMINE, self._send_facts)

    def on(self, command: CommandType[Argument], handler: Callable[[Argument], None]) -> None:
        """Have commands of this type to the node handled; the handler must not block."""
        self._handlers[command.name] = handler

    def start(self) -> None:
        """Subscribe to the node's own channels and start the broker."""
        self.broker.subscribe(self._channels.everybody)
        self.broker.subscribe(self._channels.node(self._node_id))
        self.broker.start(self)

    def speak_as(self, name: str, broker: Broker) -> None:
        """Publish under another name than the node's, which runs in another process: for operators' commands."""
        self._node_id, self.broker = name, broker

    # -- emit --------------------------------------------------------------------------------------------------------

    def emit(  # noqa: PLR0913, PLR0917 - python-socketio's interface
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **options: Any,
    ) -> bool:
        """Push to one room, to the union of several, or to all connections, on all nodes, without waiting.

        Return whether the bus queued the packet for the other nodes; True if there can be none.

        `callback` gets the first client's ack, from any node.
        """
        rooms = _as_list(to or room)
        message = Emit(
            packet=self._encode(event, data, namespace),
            rooms=rooms,
            skip=[sid for sid in (skip_sid if isinstance(skip_sid, list) else [skip_sid]) if sid],
            namespace=namespace,
            ack=None if callback is None else (self._node_id, self._awaited.add(callback)),
            stamp=options.get("stamp"),
            told=options.get("versions") or (number_of(event, data, rooms) if isinstance(data, dict) else 0),
        )
        self._deliver(message, rooms)
        return bool(options.get("ignore_queue") or self.broker.is_alone) or self._relay(message)

    def _encode(self, event: str, data: Any, namespace: str) -> list[str | bytes]:
        """Encode an event once for all receivers; a payload that contains bytes becomes a binary event."""
        arguments = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        packet = self.server.packet_class(EVENT, [event, *arguments], namespace).encode()
        return packet if isinstance(packet, list) else [packet]

    def _relay(self, message: Emit) -> bool:
        rooms = message.rooms
        if rooms is None or len(rooms) == 1:
            return self._publish(self._channels.room(rooms[0] if rooms else None), message, rooms)
        if all(room.startswith(_DISJOINT) for room in rooms):
            taken = [self._publish(self._channels.room(room), message, [room]) for room in rooms]
            return all(taken)
        number = f"{self._life}{envelope.SID_MARK}{next(self._numbers)}"
        frame = envelope.encode(replace(message, number=number))
        channels = dict.fromkeys(map(self._channels.room, rooms))
        taken = [self.broker.publish(channel, frame) for channel in channels]
        return all(taken)

    def _publish(self, channel: str, message: Emit, rooms: list[str] | None) -> bool:
        if channel == self._channels.node(self._node_id):
            return True  # a connection of this node
        named = [] if self._channels.room_of(channel) is not None else rooms
        # Not `replace`, which takes twice as long: this is the hot path.
        copy = Emit(
            message.packet, named, message.skip, message.namespace, None, message.ack, message.stamp, message.told
        )
        return self.broker.publish(channel, envelope.encode(copy))

    def _deliver(self, message: Emit, rooms: list[str] | None, heard_ms: float | None = None) -> None:
        """Send the packet to this node's members of the rooms. `heard_ms`: arrival in Unix ms, if from another node."""
        members = self.get_participants(message.namespace, rooms)
        if message.skip:
            members = [(sid, eio_sid) for sid, eio_sid in members if sid not in message.skip]
        packets = [OutgoingPacket(MESSAGE, part) for part in message.packet]
        if message.told and rooms:
            self.told.note(rooms, message.told)
        if message.ack is None:
            self.server.send_to_many([eio_sid for _sid, eio_sid in members], packets)
            if message.stamp is not None:
                self._following.given(message.stamp, members, heard_ms)
            return
        for sid, eio_sid in members:
            ack_id = self._generate_ack_id(sid, partial(self._answered, *message.ack))
            first = OutgoingPacket(MESSAGE, with_ack_id(str(message.packet[0]), message.namespace, ack_id))
            self.server.send_to_many([eio_sid], [first, *packets[1:]])

    def _when_flushed(self, act: Callable[[], None]) -> None:
        self.server.when_flushed(act)

    def _answered(self, node: str, number: int, *arguments: Any) -> None:
        """Pass a client's ack to the node that asked for it."""
        if node == self._node_id:
            self._awaited.answer(number, list(arguments))
        else:
            self._send(node, node_commands.ANSWER.make(None, [node, number, *arguments]))

    def _send(self, node: str, command: NodeCommand) -> None:
        self.broker.publish(self._channels.node(node), envelope.encode(command))

    # -- node commands -----------------------------------------------------------------------------------------------

    def act(
        self, command_type: CommandType[Argument], room: str | None, argument: Argument, namespace: str = "/"
    ) -> None:
        """Run a command of `_ROOM_HANDLERS` on all connections in `room` (None: all connections), on all nodes."""
        command = command_type.make(room, argument, namespace)
        self._obey(command)
        if self.broker.is_alone:
            return
        rooms = [room]
        if command.name == node_commands.LEAVE.name and not self.broker.keeps_order:
            rooms.append(command.argument)  # on that room's channel too: later pushes there must not overtake it
        for channel in map(self._channels.room, rooms):
            if channel != self._channels.node(self._node_id):
                self.broker.publish(channel, envelope.encode(command))

    def _obey(self, command: NodeCommand) -> None:
        if command.name in {node_commands.ENTER.name, node_commands.LEAVE.name}:
            self.last_move += 1
            self.told.note_move(command.room)
        sids = [sid for sid, _ in self.get_participants(command.namespace, command.room)]
        _ROOM_HANDLERS[command.name](self, sids, command)

    def _do_enter(self, sids: list[str], command: NodeCommand) -> None:
        room = command.argument
        entered = [sid for sid in sids if room not in self._rooms_of.get(sid, ())]
        is_new = room not in self.rooms.get(command.namespace, {})
        for sid in entered:
            self.basic_enter_room(sid, command.namespace, room)
        if not entered or self.broker.is_alone:
            return
        # A command to leave that arrived before this one may have been sent after it.
        self.server.upkeep.recheck(entered)
        if room in self._settling:
            self._settling[room] += entered
        elif is_new or not self.broker.keeps_order:
            # Events pushed between the change and this node's subscription did not arrive here. If channels keep no
            # common order, events may also have arrived before this command.
            self._settling[room] = entered
            self.server.start_background_task(self._sync_when_settled, room)

    def _do_leave(self, sids: list[str], command: NodeCommand) -> None:
        for sid in sids:
            self.basic_leave_room(sid, command.namespace, command.argument)

    def _do_disconnect(self, sids: list[str], command: NodeCommand) -> None:
        for sid in sids:
            self.server.disconnect(sid, namespace=command.namespace, ignore_queue=True)

    def _do_close(self, sids: list[str], command: NodeCommand) -> None:
        for sid in sids:
            self.basic_leave_room(sid, command.namespace, command.room)

    def _do_sync(self, sids: list[str], command: NodeCommand) -> None:
        self.server.upkeep.catch_up(sids, command.argument)

    def _do_recheck(self, sids: list[str], _command: NodeCommand) -> None:
        self.server.upkeep.recheck(sids)

    def _do_reconcile(self, _sids: list[str], command: NodeCommand) -> None:
        self.server.upkeep.reconcile(is_node_lost=command.argument == node_commands.NODE_LOST)

    # -- python-socketio's interface for single connections ------------------------------------------------------------

    def enter_room(self, sid: str, namespace: str, room: str, eio_sid: str | None = None) -> None:
        """Put a connection of any node into a room."""
        if self._is_here(sid, namespace):
            self.basic_enter_room(sid, namespace, room, eio_sid)
        else:
            self.act(node_commands.ENTER, sid, room, namespace)

    def leave_room(self, sid: str, namespace: str, room: str) -> None:
        """Take a connection of any node out of a room."""
        if self._is_here(sid, namespace):
            self.basic_leave_room(sid, namespace, room)
        else:
            self.act(node_commands.LEAVE, sid, room, namespace)

    def close_room(self, room: str, namespace: str) -> None:
        """Take all connections out of a room, on all nodes."""
        self.act(node_commands.CLOSE, room, None, namespace)

    def can_disconnect(self, sid: str, namespace: str) -> bool:
        """Return whether this node can end the connection; otherwise have its node end it."""
        if self._is_here(sid, namespace):
            return bool(self.is_connected(sid, namespace))
        if not self.broker.is_alone:
            self.act(node_commands.DISCONNECT, sid, None, namespace)
        return False

    def _is_here(self, sid: str, namespace: str) -> bool:
        return sid in self.rooms.get(namespace, {}).get(None, {})

    # -- subscriptions -----------------------------------------------------------------------------------------------

    def room_opened(self, room: str) -> None:
        """Subscribe to the channel of a room; the room of a single sid has none."""
        self.told.open(room)
        if envelope.SID_MARK not in room:
            self.broker.subscribe(self._channels.room(room))

    def room_emptied(self, room: str) -> None:
        """Unsubscribe from the channel of a room."""
        self.told.close(room)
        if envelope.SID_MARK not in room:
            self.broker.unsubscribe(self._channels.room(room))

    # -- the broker's listener -----------------------------------------------------------------------------------------

    def heard(self, channel: str, body: bytes) -> None:
        """Handle a message of another node: deliver an emit, obey a command."""
        try:
            message = envelope.decode(body)
            if self._is_refused(channel, message):
                return
            if isinstance(message, NodeCommand):
                self._take_command(message)
            elif message.number is None or self._is_first(message.number):
                heard_ms = None if message.stamp is None else self._following.heard(message.stamp)
                room = self._channels.room_of(channel)
                self._deliver(message, [room] if room is not None and not message.rooms else message.rooms, heard_ms)
        except Exception:  # one bad message must not end the broker's reader
            log.exception("bus_message_failed", channel=channel)

    def _is_refused(self, channel: str, message: Emit | NodeCommand) -> bool:
        may_repeat = isinstance(message, Emit) and message.number is not None
        fault = self._replays.fault(message.mark, may_repeat=may_repeat)
        if fault:
            metrics.BUS_REFUSED.inc()
            log.warning("bus_replayed", channel=channel, fault=fault)
        elif self._replays.has_recovered:
            self._replays.has_recovered = False
            self._tell_all("clock_corrected")
        return bool(fault)

    def _take_command(self, command: NodeCommand) -> None:
        if command.name in _ROOM_HANDLERS:
            self._obey(command)
        elif command.name in self._handlers:
            self._handlers[command.name](command.argument)

    def _send_facts(self, doctor: str) -> None:
        engine = type(self.server.eio).__module__
        facts = node_facts.facts_of(self.server.app, engine=engine, hears_itself=self.broker.is_up)
        self._send(doctor, node_commands.EXAMINED.make(None, facts))

    def _is_first(self, number: str) -> bool:
        if number in self._recent:
            return False
        self._recent.add(number)
        self._recent_order.append(number)
        if len(self._recent_order) > _RECENT:
            self._recent.discard(self._recent_order.popleft())
        return True

    def ready(self) -> None:
        """Tell all clients to sync, now that the bus works for the first time."""
        log.info("cluster_router_ready", message="集群消息路由器初始化完成")
        self._tell_all("bus_ready")

    def gap(self, reason: str) -> None:
        """Tell all clients to sync: this node received nothing from the bus for a while."""
        self._following.ring.note_hears_again()
        self._tell_all(reason)
        # After a failover this node may have published to a Redis that the other nodes had already left.
        self.act(node_commands.RECONCILE, None, None)

    def missed(self, channels: set[str] | None) -> None:
        """Tell members on other nodes to sync: pushes to their rooms were lost on the way to Redis."""
        rooms = [None] if channels is None else [self._channels.room_of(channel) for channel in channels]
        for room in dict.fromkeys(rooms):
            # For lost messages to one connection or one node the room is None: all connections of all other nodes.
            command = node_commands.SYNC.make(room, "pushes_lost")
            self.broker.publish(self._channels.room(room), envelope.encode(command))

    def _tell_all(self, reason: str) -> None:
        self.server.upkeep.catch_up([sid for sid, _ in self.get_participants(NAMESPACE, None)], reason)

    def _sync_when_settled(self, room: str) -> None:
        self.broker.settle(_SETTLE_SECONDS)
        self.server.upkeep.catch_up(self._settling.pop(room), "joined")


_ROOM_HANDLERS: dict[str, Callable[[RoomManager, list[str], NodeCommand], None]] = {
    node_commands.ENTER.name: RoomManager._do_enter,
    node_commands.LEAVE.name: RoomManager._do_leave,
    node_commands.DISCONNECT.name: RoomManager._do_disconnect,
    node_commands.CLOSE.name: RoomManager._do_close,
    node_commands.SYNC.name: RoomManager._do_sync,
    node_commands.RECHECK.name: RoomManager._do_recheck,
    node_commands.RECONCILE.name: RoomManager._do_reconcile,
}


def _as_list(room: Any) -> list[str] | None:
    if room is None:
        return None
    return list(room) if isinstance(room, list | tuple | set) else [room]
