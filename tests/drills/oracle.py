"""What must hold after every fault: no acknowledged message is lost or doubled, and the order is the same for all.

This oracle judges messages alone: sent, acknowledged, stored, and shown to each reader, in their orders. Operations of
other kinds and the final state of devices are judged by the oracle of the checker (tests/checker/oracle.py).
"""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

#: A message in a database or on a screen: its number and the sender's name for it.
Entry = tuple[int, str]


@dataclass
class ConversationHistory:
    """Everything known about one conversation after the drill."""

    #: The messages of each sender, in the order sent.
    sent: dict[str, list[str]] = field(default_factory=dict)
    #: The acknowledged messages, with the number in the ack.
    acked: dict[str, int] = field(default_factory=dict)
    #: The messages that the sender was told had failed for good.
    reported: set[str] = field(default_factory=set)
    #: The stored messages, ordered by number.
    stored: list[Entry] = field(default_factory=list)
    #: The messages that each reader saw, in the order seen.
    shown: dict[str, list[Entry]] = field(default_factory=dict)
    #: Readers that left for good: they may lack the last messages.
    left: set[str] = field(default_factory=set)


@dataclass
class Verdict:
    """Numbers of lost, doubled and reordered messages and of unsettled sends; `findings` describes each kind."""

    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    unsettled: int = 0
    acked: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether there is no finding."""
        return not (self.lost or self.doubled or self.reordered or self.unsettled)

    def note(self, kind: str, where: str, messages: Iterable[object]) -> None:
        """Count the messages as `kind`, and add a finding if there are any."""
        found = list(messages)
        setattr(self, kind, getattr(self, kind) + len(found))
        if found:
            self.findings.append(f"{kind} {where}: {', '.join(map(str, found[:3]))}{' ...' * (len(found) > 3)}")


def judge(histories: Iterable[ConversationHistory]) -> Verdict:
    """Compare the acknowledged, stored and shown messages."""
    verdict = Verdict()
    for history in histories:
        verdict.acked += len(history.acked)
        _judge_database(history, verdict)
        for reader, shown in history.shown.items():
            _judge_reader(history, reader, shown, verdict)
    return verdict


def _judge_database(history: ConversationHistory, verdict: Verdict) -> None:
    numbers = dict(map(reversed, history.stored))
    names = [name for _, name in history.stored]
    verdict.note("lost", "in the database", history.acked.keys() - numbers.keys())
    verdict.note("doubled", "in the database", _repeated(names))
    seqs = [seq for seq, _ in history.stored]
    verdict.note("reordered", "numbers with holes", [seq for n, seq in enumerate(seqs, 1) if seq != n])
    moved = [name for name, seq in history.acked.items() if numbers.get(name, seq) != seq]
    verdict.note("reordered", "stored elsewhere than acknowledged", moved)
    for sender, sent in history.sent.items():
        own = set(sent)
        verdict.note("reordered", f"of {sender}", _out_of_order(sent, [name for name in names if name in own]))
    ended = history.acked.keys() | history.reported
    everything = {name for sent in history.sent.values() for name in sent}
    verdict.note("unsettled", "sends without an end", everything - ended)
    verdict.note("doubled", "reported as failed, yet stored", history.reported & set(names))


def _judge_reader(history: ConversationHistory, reader: str, shown: list[Entry], verdict: Verdict) -> None:
    seqs = [seq for seq, _ in shown]
    verdict.note("doubled", f"at {reader}", _repeated(name for _, name in shown))
    verdict.note("reordered", f"at {reader}", [b for a, b in itertools.pairwise(seqs) if b < a])
    expected = history.stored
    if reader in history.left:
        expected = [entry for entry in history.stored if entry[0] <= max(seqs, default=0)]
    verdict.note("lost", f"at {reader}", sorted(set(expected) - set(shown)))
    verdict.note("reordered", f"{reader} saw what is not stored so", sorted(set(shown) - set(history.stored)))


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _out_of_order(sent: list[str], stored: list[str]) -> list[str]:
    """Return the messages stored after one that was sent later."""
    places = {name: place for place, name in enumerate(sent)}
    return [b for a, b in itertools.pairwise(stored) if places[b] < places[a]]
