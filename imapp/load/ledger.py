"""The record of sent, acknowledged and delivered messages.

Every acknowledged message must reach each receiver, once and in order. Pushes keep the order of each sender. Messages
that members of a group send at the same time on several nodes may overtake each other, because clients sort by `seq`:
they are counted, but are not a fault.
"""

import time
from collections import Counter
from dataclasses import asdict, dataclass

from imapp.load.json import JsonObject
from imapp.load.meter import Meter
from imapp.load.plan import PlannedMessage


@dataclass(slots=True, eq=False)
class Message:
    """A message in flight: when it was due, the receivers that wait for it, and whether it was acknowledged."""

    due: float
    sender: int
    waiting: set[int]
    acked: bool = False
    #: The sender's next message in the same conversation.
    later: "Message | None" = None

    def is_late_for(self, receiver: int) -> bool:
        """Return whether the receiver already has a later message of this sender."""
        later = self.later
        while later is not None:
            if receiver not in later.waiting:
                return True
            later = later.later
        return False


@dataclass
class Counts:
    """The results of all messages."""

    sent: int = 0
    acked: int = 0
    refused: int = 0
    #: Messages without an ack at the end of the wait (--patience), although the sender was connected.
    unanswered: int = 0
    delivered: int = 0
    #: Missing deliveries of acknowledged messages.
    lost: int = 0
    #: Missing deliveries after which the receiver was told to sync: a real client gets these messages.
    left_to_sync: int = 0
    doubled: int = 0
    reordered: int = 0
    #: Deliveries after a later message of another sender.
    overtaken: int = 0
    #: Deliveries of messages that were refused, or after the end of the wait.
    late: int = 0
    #: Missing deliveries and acks of connections that broke.
    owed_to_broken: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


class Ledger:
    """The record of a run, and the listener of all connections."""

    def __init__(self, run: str, meter: Meter) -> None:
        self._run = run
        self._meter = meter
        self._under_way: dict[int, Message] = {}
        #: Numbers of messages that were refused or given up, and need not be delivered.
        self._unpromised: set[int] = set()
        #: The highest seq that each receiver has got in each conversation.
        self._seen: dict[tuple[int, int], int] = {}
        #: Each sender's latest message to each target.
        self._latest: dict[tuple[int, str], Message] = {}
        #: When each receiver was last told to sync (monotonic).
        self._told: dict[int, float] = {}
        self.offline: set[int] = set()
        self.counts = Counts()
        self.events: Counter[str] = Counter()

    def sent(self, planned: PlannedMessage, due: float) -> None:
        """Record a sent message."""
        message = self._under_way[planned.number] = Message(due, planned.sender, planned.receivers)
        place = (planned.sender, planned.target)
        before = self._latest.get(place)
        if before is not None:
            before.later = message
        self._latest[place] = message
        self.counts.sent += 1
        self._meter.sent(due)

    def acked(self, number: int, error: str | None) -> None:
        """Record the answer to a sender; `error` is the code of a refusal."""
        message = self._under_way.get(number)
        if message is None or message.acked:
            return
        if error is not None:
            self.counts.refused += 1
            self._meter.failed(error)
            self._forget(number)
            return
        message.acked = True
        self.counts.acked += 1
        self._meter.acked(message.due)
        self._close(number, message)

    def delivered(self, index: int, message: JsonObject) -> None:
        """Record a delivery; messages of other tests and users are ignored."""
        run, _, number = str(message["client_id"]).partition("-")
        if run != self._run:
            return
        self.counts.delivered += 1
        place, seq = (index, message["conversation_id"]), message["seq"]
        seen = self._seen.get(place, 0)
        self._seen[place] = max(seen, seq)
        known = self._under_way.get(int(number))
        if known is not None and index in known.waiting:
            known.waiting.discard(index)
            if seq < seen:
                is_late = known.is_late_for(index)
                self.counts.reordered += is_late
                self.counts.overtaken += not is_late
            self._meter.delivered(known.due)
            self._close(int(number), known)
        elif int(number) in self._unpromised:
            self.counts.late += 1
        elif seq <= seen:
            self.counts.doubled += 1

    def event(self, index: int, packet: bytes) -> None:
        """Count an event by its name, and record that a receiver was told to sync."""
        name = packet[4 : packet.find(b'"', 4)][:40].decode("ascii", "replace")
        self.events[name] += 1
        if name == "sync_required":
            self._told[index] = time.monotonic()

    def broken(self, index: int, reason: str) -> None:
        """Record a connection that ended unexpectedly."""
        self.offline.add(index)
        self._meter.connected -= 1
        self._meter.failed(reason)

    def _close(self, number: int, message: Message) -> None:
        if message.acked and not message.waiting:
            del self._under_way[number]

    def _forget(self, number: int) -> None:
        del self._under_way[number]
        self._unpromised.add(number)

    def is_settled(self) -> bool:
        """Return whether all acks and deliveries that can still arrive have arrived."""
        return all(
            message.waiting <= self.offline if message.acked else message.sender in self.offline
            for message in self._under_way.values()
        )

    def settle(self) -> None:
        """Give up all messages in flight: count them as lost, unanswered, or owed to broken connections."""
        for number, message in list(self._under_way.items()):
            if message.acked:
                self._count_missing(message)
            elif message.sender in self.offline:
                self.counts.owed_to_broken += 1
            else:
                self.counts.unanswered += 1
                self._meter.failed("unanswered")
            self._forget(number)

    def _count_missing(self, message: Message) -> None:
        """Count the missing deliveries of a message by reason."""
        for receiver in message.waiting:
            if receiver in self.offline:
                self.counts.owed_to_broken += 1
            elif self._told.get(receiver, 0.0) >= message.due:
                self.counts.left_to_sync += 1
            else:
                self.counts.lost += 1
