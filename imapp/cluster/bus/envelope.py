"""The wire format of the messages between nodes.

There are two kinds. An emit carries an encoded Socket.IO packet, which the receiving node passes on without decoding
it. A node command is JSON. Both begin with a JSON head, preceded by its length:

    kind (1 byte: E or O), length of the head (4 bytes, big-endian), head, packet and attachments, stamp

The stamp is JSON, for chat messages only. It comes last because nodes of older versions read only as far as the head
says: they ignore the stamp, and send none.

Both kinds have a mark against replays (replays.py). In an emit it is the last element of `skip`, in a command it
follows the head. The element before the mark in `skip` is `Emit.told`. Nodes of the previous version ignore both.

Channels: `{cluster}:room:{room}`, `{cluster}:node:{node_id}`, `{cluster}:all`.
"""

import itertools
import secrets
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from imapp.clock import cluster_time

_EMIT, _ORDER = b"E", b"O"
_HEAD = 5

#: Separates the node's name from the rest of every Engine.IO and Socket.IO session id; no node name contains it.
SID_MARK = "~"


class Stamp(NamedTuple):
    """The data of a chat message with which its delivery is measured and traced."""

    #: Unix time in ms by the clock of the node that accepted the message.
    accepted_ms: float
    message_id: str
    #: The trace of the command that sent the message.
    traceparent: str | None


#: (life of the sending process, the frame's number within that life, Unix ms by Redis' clock) of a frame.
Mark = tuple[str, int, int]

_LIFE = secrets.token_hex(6)
_frames = itertools.count(1)


@dataclass(slots=True)  # not frozen: that would make construction three times as slow
class Emit:
    """A packet for the connections in `rooms` (empty: the channel's room; None: all connections), except `skip`.

    `number` identifies copies: a packet to several rooms arrives on several channels and is delivered once. `ack` is
    (node, id): that node waits for the client's ack. `told`: the conversation's change that the packet reports, or the
    number of versions of a user's own state; 0 if a loss of the packet need not be detected (typing, presence).
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
class NodeCommand:
    """A command to the nodes, on the connections in `room` (None: all connections); node_commands.py lists them."""

    name: str
    room: str | None
    argument: Any = None
    namespace: str = "/"
    mark: Mark | None = field(default=None, compare=False)


class Channels:
    """The channel names of one cluster."""

    def __init__(self, cluster: str) -> None:
        self._room = f"{cluster}:room:"
        self._node = f"{cluster}:node:"
        self.everybody = f"{cluster}:all"

    def node(self, node_id: str) -> str:
        """Return the channel for messages to one node."""
        return self._node + node_id

    def room(self, room: str | None) -> str:
        """Return the channel of a room (None: all nodes). A sid is a room with one connection, on the sid's node."""
        if room is None:
            return self.everybody
        node, mark, _ = room.partition(SID_MARK)
        return self._node + node if mark else self._room + room

    def room_of(self, channel: str) -> str | None:
        """Return the room of a room's channel; None for other channels."""
        return channel.removeprefix(self._room) if channel.startswith(self._room) else None


def encode(message: Emit | NodeCommand) -> bytes:
    """Encode a message for a broker."""
    if isinstance(message, NodeCommand):
        head = orjson.dumps([message.name, message.room, message.argument, message.namespace])
        return _ORDER + len(head).to_bytes(4, "big") + head + _mark().encode()
    packet = [part if isinstance(part, bytes) else part.encode() for part in message.packet]
    head = orjson.dumps(
        [
            message.rooms,
            [*message.skip, message.told, _mark()],  # for nodes of the previous version: two sids of no connection
            message.namespace,
            message.number,
            message.ack,
            [len(part) for part in packet],
        ]
    )
    if message.stamp is not None:
        packet.append(orjson.dumps(tuple(message.stamp)))
    return b"".join([_EMIT, len(head).to_bytes(4, "big"), head, *packet])


def decode(body: bytes) -> Emit | NodeCommand:
    """Decode a message that `encode` made; raises ValueError for other bytes."""
    end = _HEAD + int.from_bytes(body[1:_HEAD], "big")
    head = orjson.loads(body[_HEAD:end])
    if body[:1] == _ORDER:
        name, room, argument, namespace = head
        return NodeCommand(name, room, argument, namespace, _marked(body[end:].decode()))
    rooms, skip, namespace, number, ack, lengths = head
    mark = _marked(skip[-1]) if skip else None
    if mark is not None:
        skip.pop()
    told = skip.pop() if skip and isinstance(skip[-1], int) else 0
    stamp = _stamp(body, end + sum(lengths))
    return Emit(_parts(body[end:], lengths), rooms, skip, namespace, number, ack and tuple(ack), stamp, told, mark)


def _mark() -> str:
    """Return the mark of a new frame. It begins with SID_MARK, as no session id does."""
    return f"{SID_MARK}{_LIFE}{SID_MARK}{next(_frames)}{SID_MARK}{int(cluster_time() * 1000)}"


def _marked(text: str) -> Mark | None:
    """Parse a mark; return None if the text is not a mark."""
    if not text.startswith(SID_MARK):
        return None
    _, life, number, sent_ms = text.split(SID_MARK)
    return life, int(number), int(sent_ms)


def _stamp(body: bytes, start: int) -> Stamp | None:
    """Decode the stamp, None if there is none; ignore elements that later versions may add."""
    if len(body) == start:
        return None
    accepted_ms, message_id, traceparent, *_ = orjson.loads(body[start:])
    return Stamp(accepted_ms, message_id, traceparent)


def _parts(data: bytes, lengths: list[int]) -> list[str | bytes]:
    """Split the packet (text) and its attachments (bytes)."""
    parts: list[str | bytes] = []
    start = 0
    for length in lengths:
        part = data[start : start + length]
        parts.append(part if parts else part.decode())
        start += length
    return parts
