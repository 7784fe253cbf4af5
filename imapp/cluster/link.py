"""One connection to one Redis server that publishes and hears, and notices by itself when it is deaf.

Publishing only queues: one writer sends all that waits in one write. One reader takes what Redis says. Redis answers
in order, so a deque of what was asked tells what each answer belongs to, and what was lost when the connection ends.

Once a second the link publishes to a channel of its own over the same way that the messages take. What it doesn't
hear back in time (DEAF_SECONDS) is a dead connection, whatever TCP says: half-open, paused, kicked out. It is
closed, made anew, all channels are subscribed again, and when the first canary is heard again the owner is told.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from hiredis import ReplyError

from imapp import metrics
from imapp.cluster.clock import cluster_time
from imapp.cluster.resp import Connection, pack
from imapp.logs import get_logger

log = get_logger(__name__)

#: Seconds between two canaries.
CANARY_SECONDS = 1.0

#: Seconds without hearing one's own canary after which the connection counts as dead.
DEAF_SECONDS = 3.0

#: Seconds that one write or one quiet read may take.
IO_SECONDS = 1.5

#: Seconds between two attempts to connect.
_RETRY_SECONDS = 0.3

#: Channels that are remembered as missed; with more, everybody is told to sync.
MISSED_MAX = 2000

#: Channels in one SUBSCRIBE.
_SUBSCRIBE_BATCH = 500


class Verbs(NamedTuple):
    """The commands: those of plain pub/sub or of sharded pub/sub (Redis Cluster)."""

    publish: str
    subscribe: str
    unsubscribe: str
    batch: int


PLAIN = Verbs("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", _SUBSCRIBE_BATCH)
#: Channels of one SSUBSCRIBE must lie in one slot: one at a time.
SHARDED = Verbs("SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE", 1)

_MESSAGE = {b"message", b"smessage"}
_SUBSCRIBED = {b"subscribe", b"ssubscribe"}
_UNSUBSCRIBED = {b"unsubscribe", b"sunsubscribe"}


class Owner(Protocol):
    """Who is told; called in the link's own threads, must not block."""

    def hear(self, channel: bytes, frame: bytes) -> None:
        """A message came."""

    def link_up(self, link: "Link") -> None:
        """The link hears itself (again)."""

    def link_down(self, link: "Link", reason: str) -> None:
        """The link was lost; it goes on trying."""

    def catch_up(self, link: "Link") -> None:
        """Messages were lost (`link.missed`), and Redis takes messages again."""

    def moved(self, link: "Link") -> None:
        """A channel belongs to another server now (Redis Cluster)."""


class _Asked(NamedTuple):
    kind: str
    channel: bytes


class Link:
    """See the module. `connect` makes a connection or raises OSError; it is called again after each loss."""

    def __init__(
        self, owner: Owner, connect: Callable[[], Connection], canary: bytes, *, verbs: Verbs = PLAIN, queue_max: int
    ) -> None:
        self._owner = owner
        self._connect = connect
        self.canary = canary
        self._verbs = verbs
        self._queue_max = queue_max
        self._connection: Connection | None = None
        self._outbox: deque[tuple[_Asked, bytes]] = deque()
        self._asked: deque[_Asked] = deque()
        #: Bytes in the queue.
        self.waiting_bytes = 0
        self._wake = threading.Event()
        #: Held while what was asked, and over which connection, changes.
        self._turn = threading.RLock()
        self._settled = threading.Condition()
        self._handed = self._answered = 0
        self._closing = False
        self._heard_at = 0.0
        self.channels: set[bytes] = set()
        #: Channels whose messages were lost on the way to Redis.
        self.missed: set[bytes] = set()
        self.is_up = False
        #: How often it has come up.
        self.ups = 0

    # -- for the owner ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, now and after each loss, until `close`."""
        for target, name in ((self._read_for_ever, "reader"), (self._write_for_ever, "writer")):
            threading.Thread(target=target, name=f"bus-{name}", daemon=True).start()

    def publish(self, channel: bytes, frame: bytes) -> bool:
        """Queue a message without waiting; tells whether: else it is dropped and its channel remembered."""
        if not self.is_up or self.waiting_bytes + len(frame) > self._queue_max:
            self._miss(channel)
            return False
        self._hand(_Asked("publish", channel), pack(self._verbs.publish, channel, frame))
        metrics.BUS_PUBLISHED.inc()
        return True

    def subscribe(self, channel: bytes) -> None:
        """Hear a channel from (almost) now on, and again after each loss."""
        with self._turn:
            self.channels.add(channel)
            if self._connection is not None:
                self._hand(_Asked("subscribe", channel), pack(self._verbs.subscribe, channel))

    def unsubscribe(self, channel: bytes) -> None:
        """Hear it no longer."""
        with self._turn:
            self.channels.discard(channel)
            if self._connection is not None:
                self._hand(_Asked("unsubscribe", channel), pack(self._verbs.unsubscribe, channel))

    def settle(self, seconds: float) -> bool:
        """Wait until Redis has answered all that was asked up to now; tells whether it did. False at once when down."""
        target = self._handed
        with self._settled:
            self._settled.wait_for(lambda: self._answered >= target or not self.is_up, seconds)
        return self.is_up and self._answered >= target

    def reset(self, reason: str) -> None:
        """Give the connection up and make another."""
        self._lose(self._connection, reason)

    def close(self) -> None:
        """End; what waits is sent if Redis takes it."""
        self.settle(IO_SECONDS)
        self._closing = True
        if self._connection is not None:
            self._connection.close()
        self._wake.set()

    # -- writing ---------------------------------------------------------------------------------------------------

    def _hand(self, asked: _Asked, data: bytes) -> None:
        self.waiting_bytes += len(data)
        self._handed += 1
        self._outbox.append((asked, data))
        self._wake.set()

    def _write_for_ever(self) -> None:
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
        """Send a canary; give the connection up when the ones before did not come back."""
        if late > CANARY_SECONDS:
            self._heard_at += late  # this process itself stood still: Redis may be well
        if time.monotonic() - self._heard_at > DEAF_SECONDS:
            self._lose(connection, "silent")
            return
        if self.missed and self.is_up and self.waiting_bytes < self._queue_max // 2:
            self._owner.catch_up(self)
        self._hand(_Asked("canary", self.canary), pack(self._verbs.publish, self.canary, b"canary"))

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
                asked, data = self._outbox.popleft()
                self._asked.append(asked)
                pieces.append(data)
        return b"".join(pieces)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read_for_ever(self) -> None:
        while not self._closing:
            connection = self._open()
            if connection is None:
                time.sleep(_RETRY_SECONDS)
                continue
            try:
                while connection is self._connection:
                    self._take_what_comes(connection)
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
                self._hand_subscriptions(channels[start : start + self._verbs.batch])
            self._connection = connection
        self._wake.set()
        return connection

    def _hand_subscriptions(self, channels: list[bytes]) -> None:
        """One command, as many answers as channels."""
        for channel in channels[:-1]:
            self._hand(_Asked("subscribe", channel), b"")
        self._hand(_Asked("subscribe", channels[-1]), pack(self._verbs.subscribe, *channels))

    def _take_what_comes(self, connection: Connection) -> None:
        try:
            for reply in connection.read():
                self._take(reply)
        except TimeoutError:
            return  # quiet; the canary judges

    def _take(self, reply: Any) -> None:
        if not isinstance(reply, list):
            self._answer(reply)
        elif reply[0] in _MESSAGE:
            self._hear(reply[1], reply[2])
        elif reply[0] in _SUBSCRIBED or self._was_asked(reply):
            self._answer(reply)
        elif reply[0] in _UNSUBSCRIBED and reply[1] in self.channels:
            self._owner.moved(self)  # Redis Cluster gave the channel's slot away

    def _was_asked(self, reply: Any) -> bool:
        return bool(self._asked) and self._asked[0] == _Asked("unsubscribe", reply[1])

    def _answer(self, reply: Any) -> None:
        if not self._asked:
            return  # of a connection that was given up
        asked = self._asked.popleft()
        if isinstance(reply, ReplyError):
            self._refused(asked, str(reply))
        with self._settled:
            self._answered += 1
            self._settled.notify_all()

    def _refused(self, asked: _Asked, why: str) -> None:
        if asked.kind == "publish":
            self._miss(asked.channel)
        if why.startswith(("MOVED", "CLUSTERDOWN")):
            self._owner.moved(self)
        else:
            log.warning("bus_refused", kind=asked.kind, error=why.split(" ", 1)[0])

    def _hear(self, channel: bytes, frame: bytes) -> None:
        if channel != self.canary:
            self._owner.hear(channel, frame)
            return
        self._heard_at = time.monotonic()
        if not self.is_up:
            self.ups += 1
            self.is_up = True
            self._owner.link_up(self)

    # -- losing ----------------------------------------------------------------------------------------------------

    def _miss(self, channel: bytes) -> None:
        if len(self.missed) <= MISSED_MAX:
            self.missed.add(channel)
        metrics.BUS_DROPPED.inc()

    def _lose(self, connection: Connection | None, reason: str) -> None:
        """The connection is of no use any more; what was on its way may be lost."""
        with self._turn:
            if connection is None or connection is not self._connection:
                return
            self._connection = None
            was_up, self.is_up = self.is_up, False
            self._forget_what_was_asked()
        connection.close()
        with self._settled:
            self._answered = self._handed
            self._settled.notify_all()
        if was_up and not self._closing:
            self._owner.link_down(self, reason)

    def _forget_what_was_asked(self) -> None:
        for asked in [*self._asked, *(asked for asked, _ in self._outbox)]:
            if asked.kind == "publish":
                self._miss(asked.channel)
        self._asked.clear()
        self._outbox.clear()


def _read_clock(connection: Connection) -> None:
    """Know Redis' time before the first frame is sent or heard; raises OSError, and closes the connection then."""
    try:
        seconds, microseconds = connection.ask("TIME")
    except OSError:
        connection.close()
        raise
    cluster_time.set(int(seconds) + int(microseconds) / 1_000_000)
