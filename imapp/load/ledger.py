"""What was sent, promised and received: every acknowledged message must reach each receiver, once and in order.

The order that pushes keep is that of each sender. Messages that members of a group write at once on several nodes may
overtake each other on their way; clients sort by `seq`. That is counted, but is no fault.
"""

import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from imapp.load.meter import Meter
from imapp.load.plan import Letter


@dataclass(slots=True, eq=False)
class Message:
    """One that is under way: when it was due, who waits for it, whether it was acknowledged."""

    due: float
    sender: int
    waiting: set[int]
    acked: bool = False
    #: What the same sender said next in the same conversation.
    later: "Message | None" = None

    def is_late_for(self, receiver: int) -> bool:
        """Whether the receiver has had something that the sender said after this."""
        later = self.later
        while later is not None:
            if receiver not in later.waiting:
                return True
            later = later.later
        return False


@dataclass
class Counts:
    """What came of all messages."""

    sent: int = 0
    acked: int = 0
    refused: int = 0
    #: No ack came before patience ended, though the sender's connection was in order.
    unanswered: int = 0
    delivered: int = 0
    #: Deliveries of acknowledged messages that did not come.
    lost: int = 0
    #: Did not come either, but the receiver was told to sync afterwards: a real client has them.
    left_to_sync: int = 0
    doubled: int = 0
    reordered: int = 0
    #: Pushed after a later message of another sender.
    overtaken: int = 0
    #: Came although refused, or after they had been given up.
    late: int = 0
    #: Deliveries and acks owed to connections that broke: nobody can have them.
    owed_to_broken: int = 0

    def as_dict(self) -> dict[str, int]:
        """For reports."""
        return asdict(self)


class Ledger:
    """See the module. It is the listener of all connections."""

    def __init__(self, run: str, meter: Meter) -> None:
        self._run = run
        self._meter = meter
        self._under_way: dict[int, Message] = {}
        #: Refused, or given up: whether these come is not promised.
        self._unpromised: set[int] = set()
        #: The highest seq that a receiver had of a conversation.
        self._seen: dict[tuple[int, int], int] = {}
        #: Each sender's latest message to each place.
        self._latest: dict[tuple[int, str], Message] = {}
        #: When a receiver was last told to sync.
        self._told: dict[int, float] = {}
        self.offline: set[int] = set()
        self.counts = Counts()
        self.events: Counter[str] = Counter()

    def sent(self, letter: Letter, due: float) -> None:
        """One more is under way."""
        message = self._under_way[letter.number] = Message(due, letter.sender, letter.receivers)
        place = (letter.sender, letter.target)
        before = self._latest.get(place)
        if before is not None:
            before.later = message
        self._latest[place] = message
        self.counts.sent += 1
        self._meter.sent(due)

    def acked(self, number: int, error: str | None) -> None:
        """The sender was answered."""
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

    def delivered(self, index: int, message: dict[str, Any]) -> None:
        """A receiver got one; those of other tests and people do not count."""
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
        """Count others by name, and remember who was told to sync."""
        name = packet[4 : packet.find(b'"', 4)][:40].decode("ascii", "replace")
        self.events[name] += 1
        if name == "sync_required":
            self._told[index] = time.monotonic()

    def broken(self, index: int, reason: str) -> None:
        """A connection ended that should not."""
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
        """Whether nothing more can be expected."""
        return not any(self._is_open(message) for message in self._under_way.values())

    def _is_open(self, message: Message) -> bool:
        if not message.acked:
            return message.sender not in self.offline
        return not message.waiting <= self.offline

    def settle(self) -> None:
        """Patience is at its end: what is still under way is lost, unanswered, or nobody's any more."""
        for number, message in list(self._under_way.items()):
            if message.acked:
                self._miss(message)
            elif message.sender in self.offline:
                self.counts.owed_to_broken += 1
            else:
                self.counts.unanswered += 1
                self._meter.failed("unanswered")
            self._forget(number)

    def _miss(self, message: Message) -> None:
        """Sort the receivers who did not get it."""
        for receiver in message.waiting:
            if receiver in self.offline:
                self.counts.owed_to_broken += 1
            elif self._told.get(receiver, 0.0) >= message.due:
                self.counts.left_to_sync += 1
            else:
                self.counts.lost += 1
