"""One connection to one Redis server for publishing and subscribing, which detects by itself when it is dead.

Publishing only queues: a writer thread sends all queued commands in one write, a reader thread takes the replies. Redis
replies in order, so a deque of the unanswered commands shows which command each reply belongs to, and which commands
were lost when the connection ends.

Once a second the link publishes a canary to a channel of its own, on the same connection as the messages. If no canary
returns for DEAF_SECONDS, the connection is dead, whatever TCP says: half-open, paused or kicked out. The link closes
it, connects again, subscribes to all channels again, and notifies its owner when the first canary returns.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from hiredis import ReplyError

from imapp.clock import cluster_time
from imapp.cluster.bus.resp import Connection, pack
from imapp.logs import get_logger
from imapp.telemetry import metrics

log = get_logger(__name__)

#: Seconds between two canaries.
CANARY_SECONDS = 1.0

#: Seconds without a returned canary after which the connection counts as dead.
DEAF_SECONDS = 3.0

#: Timeout of one write or one read, in seconds; a read that times out is no error.
IO_SECONDS = 1.5

#: Seconds between two attempts to connect.
_RETRY_SECONDS = 0.3

#: Maximum number of channels remembered as missed; with more, all clients are told to sync.
MISSED_MAX = 2000

#: Maximum number of channels in one SUBSCRIBE.
_SUBSCRIBE_BATCH = 500


class Verbs(NamedTuple):
    """The command names of plain or of sharded pub/sub (Redis Cluster), and the channels in one subscribe command."""

    publish: str
    subscribe: str
    unsubscribe: str
    batch: int


PLAIN = Verbs("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", _SUBSCRIBE_BATCH)
#: Subscribes to one channel at a time: all channels of one SSUBSCRIBE must lie in one slot.
SHARDED = Verbs("SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE", 1)

_MESSAGE = {b"message", b"smessage"}
_SUBSCRIBED = {b"subscribe", b"ssubscribe"}
_UNSUBSCRIBED = {b"unsubscribe", b"sunsubscribe"}


class Owner(Protocol):
    """The callbacks of a link. The link calls them in its own threads; they must not block."""

    def hear(self, channel: bytes, frame: bytes) -> None:
        """Handle a received message."""

    def link_up(self, link: "PubSubConnection") -> None:
        """Handle the first canary that returns after the link has connected or reconnected."""

    def link_down(self, link: "PubSubConnection", reason: str) -> None:
        """Handle the loss of the connection; the link goes on reconnecting."""

    def catch_up(self, link: "PubSubConnection") -> None:
        """Handle lost messages (to the channels `link.missed`), now that Redis takes messages again."""

    def moved(self, link: "PubSubConnection") -> None:
        """Handle the move of a channel to another server (Redis Cluster)."""


class _Command(NamedTuple):
    kind: str
    channel: bytes


class PubSubConnection:
    """See the module. `connect` returns a new connection or raises OSError; it is called again after each loss."""

    def __init__(
        self, owner: Owner, connect: Callable[[], Connection], canary: bytes, *, verbs: Verbs = PLAIN, queue_max: int
    ) -> None:
        self._owner = owner
        self._connect = connect
        self.canary = canary
        self._verbs = verbs
        self._queue_max = queue_max
        self._connection: Connection | None = None
        self._outbox: deque[tuple[_Command, bytes]] = deque()
        self._unanswered: deque[_Command] = deque()
        #: Bytes in the outbox.
        self.waiting_bytes = 0
        self._wake = threading.Event()
        #: Held while the connection, the outbox or the unanswered commands change.
        self._turn = threading.RLock()
        self._settled = threading.Condition()
        self._enqueued = self._answered = 0
        self._closing = False
        self._heard_at = 0.0
        self.channels: set[bytes] = set()
        #: Channels with messages that were lost on the way to Redis.
        self.missed: set[bytes] = set()
        self.is_up = False
        #: How often the link has come up.
        self.ups = 0

    # -- for the owner ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect in the background, now and after each loss, until `close`."""
        for target, name in ((self._read_loop, "reader"), (self._write_loop, "writer")):
            threading.Thread(target=target, name=f"bus-{name}", daemon=True).start()

    def publish(self, channel: bytes, frame: bytes) -> bool:
        """Queue a message without waiting; return whether it was queued. If not, remember its channel as missed."""
        if not self.is_up or self.waiting_bytes + len(frame) > self._queue_max:
            self._miss(channel)
            return False
        self._enqueue(_Command("publish", channel), pack(self._verbs.publish, channel, frame))
        metrics.BUS_PUBLISHED.inc()
        return True

    def subscribe(self, channel: bytes) -> None:
        """Subscribe to a channel, soon after the call, and again after each loss of the connection."""
        with self._turn:
            self.channels.add(channel)
            if self._connection is not None:
                self._enqueue(_Command("subscribe", channel), pack(self._verbs.subscribe, channel))

    def unsubscribe(self, channel: bytes) -> None:
        """Unsubscribe from a channel."""
        with self._turn:
            self.channels.discard(channel)
            if self._connection is not None:
                self._enqueue(_Command("unsubscribe", channel), pack(self._verbs.unsubscribe, channel))

    def settle(self, seconds: float) -> bool:
        """Wait until Redis has answered all commands up to now; return whether it did, False at once if down."""
        target = self._enqueued
        with self._settled:
            self._settled.wait_for(lambda: self._answered >= target or not self.is_up, seconds)
        return self.is_up and self._answered >= target

    def reset(self, reason: str) -> None:
        """Close the connection and open another one."""
        self._lose(self._connection, reason)

    def close(self) -> None:
        """Close the link; send queued commands first if Redis takes them within IO_SECONDS."""
        self.settle(IO_SECONDS)
        self._closing = True
        if self._connection is not None:
            self._connection.close()
        self._wake.set()

    # -- writing ---------------------------------------------------------------------------------------------------

    def _enqueue(self, command: _Command, data: bytes) -> None:
        self.waiting_bytes += len(data)
        self._enqueued += 1
        self._outbox.append((command, data))
        self._wake.set()

    def _write_loop(self) -> None:
        due, last = 0.0, None
        while not self._closing:
            self._wake.wait(max(0.0, due - time.monotonic()) if self._connection else CANARY_SECONDS)
            self._wake.clear()
            connection = self._connection
            if connection is None:
                continue
            if connection is not last:
                due, last = time.monotonic(), connection
            if time.monotonic() >= due:
                self._watch(connection, late=time.monotonic() - due)
                due = time.monotonic() + CANARY_SECONDS
            self._flush(connection)

    def _watch(self, connection: Connection, late: float) -> None:
        """Queue a canary; close the connection if no earlier one has returned for DEAF_SECONDS."""
        if late > CANARY_SECONDS:
            self._heard_at += late  # this process itself stood still: the connection may be fine
        if time.monotonic() - self._heard_at > DEAF_SECONDS:
            self._lose(connection, "silent")
            return
        if self.missed and self.is_up and self.waiting_bytes < self._queue_max // 2:
            self._owner.catch_up(self)
        self._enqueue(_Command("canary", self.canary), pack(self._verbs.publish, self.canary, b"canary"))

    def _flush(self, connection: Connection) -> None:
        data = self._take_outbox(connection)
        if not data:
            return
        try:
            connection.socket.sendall(data)
        except OSError as exc:
            self._lose(connection, type(exc).__name__)
        self.waiting_bytes = max(0, self.waiting_bytes - len(data))

    def _take_outbox(self, connection: Connection) -> bytes:
        pieces = []
        with self._turn:
            while self._outbox and connection is self._connection:
                command, data = self._outbox.popleft()
                self._unanswered.append(command)
                pieces.append(data)
        return b"".join(pieces)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read_loop(self) -> None:
        while not self._closing:
            connection = self._open()
            if connection is None:
                time.sleep(_RETRY_SECONDS)
                continue
            try:
                while connection is self._connection:
                    self._read_replies(connection)
            except OSError as exc:
                self._lose(connection, type(exc).__name__)

    def _open(self) -> Connection | None:
        try:
            connection = self._connect()
            _read_clock(connection)
        except OSError as exc:
            log.debug("bus_not_connected", error=str(exc))
            return None
        connection.socket.settimeout(IO_SECONDS)
        with self._turn:
            self.waiting_bytes = 0
            self._heard_at = time.monotonic()
            channels = [self.canary, *self.channels]
            for start in range(0, len(channels), self._verbs.batch):
                self._enqueue_subscriptions(channels[start : start + self._verbs.batch])
            self._connection = connection
        self._wake.set()
        return connection

    def _enqueue_subscriptions(self, channels: list[bytes]) -> None:
        """Queue one command that gets a reply for each channel."""
        for channel in channels[:-1]:
            self._enqueue(_Command("subscribe", channel), b"")
        self._enqueue(_Command("subscribe", channels[-1]), pack(self._verbs.subscribe, *channels))

    def _read_replies(self, connection: Connection) -> None:
        try:
            for reply in connection.read():
                self._take(reply)
        except TimeoutError:
            return  # nothing to read; the canary decides whether the connection is dead

    def _take(self, reply: Any) -> None:
        if not isinstance(reply, list):
            self._answer(reply)
        elif reply[0] in _MESSAGE:
            self._hear(reply[1], reply[2])
        elif reply[0] in _SUBSCRIBED or self._is_answer(reply):
            self._answer(reply)
        elif reply[0] in _UNSUBSCRIBED and reply[1] in self.channels:
            self._owner.moved(self)  # the channel's slot has moved to another server of the Redis Cluster

    def _is_answer(self, reply: Any) -> bool:
        return bool(self._unanswered) and self._unanswered[0] == _Command("unsubscribe", reply[1])

    def _answer(self, reply: Any) -> None:
        if not self._unanswered:
            return  # a reply on a connection that has been closed
        command = self._unanswered.popleft()
        if isinstance(reply, ReplyError):
            self._refused(command, str(reply))
        with self._settled:
            self._answered += 1
            self._settled.notify_all()

    def _refused(self, command: _Command, why: str) -> None:
        if command.kind == "publish":
            self._miss(command.channel)
        if why.startswith(("MOVED", "CLUSTERDOWN")):
            self._owner.moved(self)
        else:
            log.warning("bus_refused", kind=command.kind, error=why.split(" ", 1)[0])

    def _hear(self, channel: bytes, frame: bytes) -> None:
        if channel != self.canary:
            self._owner.hear(channel, frame)
            return
        self._heard_at = time.monotonic()
        if not self.is_up:
            self.ups += 1
            self.is_up = True
            self._owner.link_up(self)

    # -- connection loss -------------------------------------------------------------------------------------------

    def _miss(self, channel: bytes) -> None:
        if len(self.missed) <= MISSED_MAX:
            self.missed.add(channel)
        metrics.BUS_DROPPED.inc()

    def _lose(self, connection: Connection | None, reason: str) -> None:
        """Close a dead connection; messages without a reply count as missed."""
        with self._turn:
            if connection is None or connection is not self._connection:
                return
            self._connection = None
            was_up, self.is_up = self.is_up, False
            self._drop_unanswered()
        connection.close()
        with self._settled:
            self._answered = self._enqueued
            self._settled.notify_all()
        if was_up and not self._closing:
            self._owner.link_down(self, reason)

    def _drop_unanswered(self) -> None:
        for command in [*self._unanswered, *(command for command, _ in self._outbox)]:
            if command.kind == "publish":
                self._miss(command.channel)
        self._unanswered.clear()
        self._outbox.clear()


def _read_clock(connection: Connection) -> None:
    """Set the clock before the first frame is sent or received; on failure close the connection and raise OSError."""
    try:
        seconds, microseconds = connection.ask("TIME")
    except OSError:
        connection.close()
        raise
    cluster_time.set(int(seconds) + int(microseconds) / 1_000_000)
