"""What the nodes say to each other in a broker's message.

Two kinds. An emit carries the encoded Socket.IO packet, which the hearing node passes on without decoding it; an
order is JSON. Both begin with a head of JSON in a known length:

    kind (1 byte: E or O), length of the head (4 bytes, big-endian), head, packet and attachments, stamp

The stamp is JSON, and there for messages only. It comes last since nodes of older versions read as far as the head
says: they overlook it, and what they send has none.

Each is marked, so that it counts once (replays.py): an emit in the last place of its list of sids to leave out, an
order after its head. Before the mark an emit has the change or version that it tells of (`Emit.told`). Nodes of the
version before overlook all this.

Channels: `{cluster}:room:{room}`, `{cluster}:node:{node_id}`, `{cluster}:all`.
"""

import itertools
import secrets
from dataclasses import dataclass, field
from typing import Any

import orjson

from imapp.cluster.clock import cluster_time

_EMIT, _ORDER = b"E", b"O"
_HEAD = 5

#: Orders of the doctor to a node, whose argument is the asker's name, and the node's answer (examination.py).
EXAMINE, EXAMINED = "examine", "examined"

#: Stands between a node's name and the rest in every Engine.IO and Socket.IO session id; no name contains it.
SID_MARK = "~"


#: When a message was accepted, Unix time in ms of the node that took it in; its id; the traceparent of its command.
Stamp = tuple[float, str, str | None]


#: The life of the process that made a frame, the frame's number within it, and when, in Unix time in ms of Redis.
Mark = tuple[str, int, int]

_LIFE = secrets.token_hex(6)
_frames = itertools.count(1)


@dataclass(slots=True)  # not frozen, which makes making one three times as slow
class Emit:
    """A packet for the connections in `rooms` (empty: in the channel's room; None: everybody), without `skip`.

    `number` tells copies apart: a message to several rooms comes over several channels and is delivered once.
    `ack` is (node, id): the client's answer is wanted there. `told`: the conversation's change that the packet tells
    of, or the version of a user's own state; 0 for what nobody needs to be told (typing, presence).
    """

    packet: list[str | bytes]
    rooms: list[str] | None = field(default_factory=list)
    skip: list[str] = field(default_factory=list)
    namespace: str = "/"
    number: str | None = None
    ack: tuple[str, int] | None = None
    stamp: Stamp | None = None
    told: int = 0
    mark: Mark | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Order:
    """Something to do with the connections in `room` (None: everybody); see cluster_rooms.ClusterManager."""

    action: str
    room: str | None
    argument: Any = None
    namespace: str = "/"
    mark: Mark | None = field(default=None, compare=False)


class Channels:
    """The names of one cluster's channels."""

    def __init__(self, cluster: str) -> None:
        self._room = f"{cluster}:room:"
        self._node = f"{cluster}:node:"
        self.everybody = f"{cluster}:all"

    def node(self, node_id: str) -> str:
        """Where one node hears what is for it alone."""
        return self._node + node_id

    def room(self, room: str | None) -> str:
        """Where the members of a room are reached; a session id is a room on its own node."""
        if room is None:
            return self.everybody
        node, mark, _ = room.partition(SID_MARK)
        return self._node + node if mark else self._room + room

    def room_of(self, channel: str) -> str | None:
        """The room of a room's channel; None for the other channels."""
        return channel.removeprefix(self._room) if channel.startswith(self._room) else None


def encode(message: Emit | Order) -> bytes:
    """As bytes for a broker."""
    if isinstance(message, Order):
        head = orjson.dumps([message.action, message.room, message.argument, message.namespace])
        return _ORDER + len(head).to_bytes(4, "big") + head + _mark().encode()
    packet = [part if isinstance(part, bytes) else part.encode() for part in message.packet]
    head = orjson.dumps(
        [
            message.rooms,
            [*message.skip, message.told, _mark()],  # nodes of the version before: two more that are nobody's id
            message.namespace,
            message.number,
            message.ack,
            [len(part) for part in packet],
        ]
    )
    if message.stamp is not None:
        packet.append(orjson.dumps(message.stamp))
    return b"".join([_EMIT, len(head).to_bytes(4, "big"), head, *packet])


def decode(body: bytes) -> Emit | Order:
    """The reverse; raises ValueError for what `encode` did not make."""
    end = _HEAD + int.from_bytes(body[1:_HEAD], "big")
    head = orjson.loads(body[_HEAD:end])
    if body[:1] == _ORDER:
        action, room, argument, namespace = head
        return Order(action, room, argument, namespace, _marked(body[end:].decode()))
    rooms, skip, namespace, number, ack, lengths = head
    mark = _marked(skip[-1]) if skip else None
    if mark is not None:
        skip.pop()
    told = skip.pop() if skip and isinstance(skip[-1], int) else 0
    stamp = _stamp(body, end + sum(lengths))
    return Emit(_parts(body[end:], lengths), rooms, skip, namespace, number, ack and tuple(ack), stamp, told, mark)


def _mark() -> str:
    """Mark a new frame. Begins as no session id does."""
    return f"{SID_MARK}{_LIFE}{SID_MARK}{next(_frames)}{SID_MARK}{int(cluster_time() * 1000)}"


def _marked(text: str) -> Mark | None:
    """Read a mark; None for what is none."""
    if not text.startswith(SID_MARK):
        return None
    _, life, number, sent_ms = text.split(SID_MARK)
    return life, int(number), int(sent_ms)


def _stamp(body: bytes, start: int) -> Stamp | None:
    """What later versions may add to it is overlooked."""
    if len(body) == start:
        return None
    accepted_ms, message_id, traceparent, *_ = orjson.loads(body[start:])
    return accepted_ms, message_id, traceparent


def _parts(data: bytes, lengths: list[int]) -> list[str | bytes]:
    """The packet is text, its attachments are bytes."""
    parts: list[str | bytes] = []
    start = 0
    for length in lengths:
        part = data[start : start + length]
        parts.append(part if parts else part.decode())
        start += length
    return parts
