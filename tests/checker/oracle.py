"""What must hold at the end: acknowledged operations are stored once, numbers have no hole, counters and devices agree.

This oracle judges the final state after operations of every kind: the database, and each device's view. What users saw
on the way, message by message, is judged by the oracle of the drills (tests/drills/oracle.py). Each function compares
its arguments and yields or returns the breaches: the kind first, then where.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.checker.history import ACKED, UNKNOWN, Operation
from tests.checker.stored import Member, Message, Stored

#: Kinds of breaches, in the order of the report (docs/testing.md explains them).
KINDS = (
    "lost", "doubled", "hole", "member_count", "pin", "reaction", "read_mark", "setting", "stale", "deaf", "leak",
    "wrong", "away", "presence",
)  # fmt: skip


@dataclass(frozen=True)
class Breach:
    """A violated condition: its kind and where."""

    kind: str
    where: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}"


def judge(stored: Stored, ops: list[Operation]) -> list[Breach]:
    """Return where the database contradicts itself or the answers that users got."""
    messages = {message.id: message for message in stored.messages}
    return [
        *_holes(stored),
        *_doubled(stored.messages),
        *_counts(stored),
        *_reactions_and_pins(stored),
        *_lost(stored, ops),
        *_lost_edits(messages, ops),
        *_lost_marks_on_messages(stored, messages, ops),
        *_lost_reads(stored.members, ops),
        *_lost_settings(stored.members, ops),
    ]


# -- the database against itself -----------------------------------------------------------------------------------


def _holes(stored: Stored) -> Iterator[Breach]:
    seqs: dict[int, list[int]] = defaultdict(list)
    for message in stored.messages:
        seqs[message.conversation_id].append(message.seq)
    for id_, (last_seq, last_change) in stored.heads.items():
        for what, found, last in (("seq", seqs[id_], last_seq), ("change", stored.changes.get(id_, []), last_change)):
            missing = sorted(set(range(1, last + 1)) - set(found))
            beyond = [number for number in found if number > last]
            if missing or beyond:
                yield Breach("hole", f"{what} of conversation {id_}: missing {missing[:5]}, beyond {beyond[:5]}")


def _doubled(messages: list[Message]) -> Iterator[Breach]:
    names = Counter(one.text.partition(" ")[0] for one in messages if one.text and not one.is_recalled)
    ids = Counter((one.sender_id, one.client_id) for one in messages if one.client_id)
    for name, count in itertools.chain(names.items(), ids.items()):
        if count > 1:
            yield Breach("doubled", f"message {name} is stored {count} times")


def _counts(stored: Stored) -> Iterator[Breach]:
    found = Counter(member.conversation_id for member in stored.members)
    for id_, count in stored.member_counts.items():
        if count != found[id_]:
            yield Breach("member_count", f"group {id_} says {count}, has {found[id_]}")
    for member in stored.members:
        if member.read_seq > stored.heads[member.conversation_id][0]:
            yield Breach("read_mark", f"user {member.user_id} has read beyond the end of {member.conversation_id}")


def _reactions_and_pins(stored: Stored) -> Iterator[Breach]:
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for message_id, emoji, _ in stored.reactions:
        rows[message_id][emoji] += 1
    for message in stored.messages:
        if message.reactions != rows[message.id]:
            yield Breach("reaction", f"message {message.id} shows {message.reactions}, stored {dict(rows[message.id])}")
        if message.is_pinned != (message.id in stored.pins):
            yield Breach(
                "pin", f"message {message.id}: pinned {message.is_pinned}, in the list {not message.is_pinned}"
            )


# -- the database against the users' answers -----------------------------------------------------------------------


def _lost(stored: Stored, ops: list[Operation]) -> Iterator[Breach]:
    places = {(one.sender_id, one.client_id): one for one in stored.messages}
    for op in ops:
        if op.kind != "send" or op.outcome == "refused":
            continue
        found = places.get((op.user_id, op.about["client_id"]))
        if op.outcome == UNKNOWN:
            yield Breach("lost", f"message {op.about['client_id']} was never acknowledged ({op.code})")
        elif found is None:
            yield Breach("lost", f"message {op.about['client_id']} was acknowledged as {op.told['message']['id']}")
        elif found.id != op.told["message"]["id"]:
            yield Breach("lost", f"message {found.client_id} is {found.id}, acknowledged {op.told['message']['id']}")


def _lost_edits(messages: dict[str, Message], ops: list[Operation]) -> Iterator[Breach]:
    recalled = {op.about["message_id"] for op in ops if op.kind == "recall" and op.outcome != "refused"}
    for message_id, told in _by(ops, ("edit",), ("message_id",)).items():
        last = _last(told)
        message = messages.get(message_id[0])
        if last is None or message_id[0] in recalled:
            continue
        if message is None or message.text != last.about["text"]:
            yield Breach("lost", f"edit of message {message_id[0]}: {last.about['text']}")
    for op in ops:
        if op.kind == "recall" and op.outcome == ACKED:
            message = messages.get(op.about["message_id"])
            if message is None or not message.is_recalled:
                yield Breach("lost", f"recall of message {op.about['message_id']}")


def _lost_marks_on_messages(stored: Stored, messages: dict[str, Message], ops: list[Operation]) -> Iterator[Breach]:
    for (message_id, emoji, user_id), told in _by(ops, ("react", "unreact"), ("message_id", "emoji", "")).items():
        last = _last(told)
        if last is None or _is_recalled(messages, message_id):
            continue
        if ((message_id, emoji, user_id) in stored.reactions) != (last.kind == "react"):
            yield Breach("reaction", f"{emoji} of user {user_id} on message {message_id}: {last.kind} was acknowledged")
    for (message_id,), told in _by(ops, ("pin", "unpin"), ("message_id",)).items():
        last = _last(told)
        if last is None or _is_recalled(messages, message_id):
            continue
        if (message_id in stored.pins) != (last.kind == "pin"):
            yield Breach("pin", f"message {message_id}: {last.kind} was acknowledged")


def _is_recalled(messages: dict[str, Message], message_id: str) -> bool:
    return message_id in messages and messages[message_id].is_recalled


def _lost_reads(members: list[Member], ops: list[Operation]) -> Iterator[Breach]:
    marks = {(one.conversation_id, one.user_id): one.read_seq for one in members}
    for op in ops:
        if op.kind == "read" and op.outcome == ACKED:
            key = op.about["conversation_id"], op.user_id
            if key in marks and marks[key] < op.told["read_seq"]:
                yield Breach("read_mark", f"user {key[1]} in {key[0]}: {marks[key]}, told {op.told['read_seq']}")


def _lost_settings(members: list[Member], ops: list[Operation]) -> Iterator[Breach]:
    for kind, name in (("draft", "draft"), ("mute", "is_muted")):
        for (conversation_id, user_id), told in _by(ops, (kind,), ("conversation_id", "")).items():
            last = told[-1]
            found = [one for one in members if (one.conversation_id, one.user_id) == (conversation_id, user_id)]
            if found and last.is_sure and not any(op.doubts for op in told):
                value = getattr(found[0], name)
                if value != last.about[name]:
                    where = f"{name} of user {user_id} in {conversation_id}"
                    yield Breach("setting", f"{where}: {value}, told {last.about[name]}")


def _by(ops: list[Operation], kinds: tuple[str, ...], names: tuple[str, ...]) -> dict[tuple[Any, ...], list[Operation]]:
    """Return the operations of these kinds, without refused ones, by object; the name "" means the acting user."""
    found: dict[tuple[Any, ...], list[Operation]] = defaultdict(list)
    for op in ops:
        if op.kind in kinds and op.outcome != "refused":
            key = tuple(op.about[name] if name else op.user_id for name in names)
            found[key].append(op)
    return found


def _last(told: list[Operation]) -> Operation | None:
    """Return the last operation on a message by its change number; None if one of them may have been done late."""
    if any(not op.is_sure for op in told):
        return None
    return max(told, key=lambda op: op.told["message"]["change"])


# -- devices -------------------------------------------------------------------------------------------------------


def compare(kind: str, device: str, shown: dict[str, Any] | None, fresh: dict[str, Any]) -> list[Breach]:
    """Return the breach, if any, between a device's view and that of a new device."""
    if shown is None:
        return [Breach("away", f"{device} is not connected and level")]
    found = [path for path, *_ in itertools.islice(differences(shown, fresh), 4)]
    if not found:
        return []
    told = list(itertools.islice(differences(shown, fresh), 3))
    return [
        Breach(
            kind,
            f"{device}: " + "; ".join(f"{path}: {ours!r:.60}, fresh {theirs!r:.60}" for path, ours, theirs in told),
        )
    ]


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the differences of two views: path and both values."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys(), key=str):
            yield from differences(ours.get(key, "nothing"), theirs.get(key, "nothing"), f"{path}/{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{path}/{number}")
    elif ours != theirs:
        yield path, ours, theirs


def heard(probe: str, members: Iterable[int], devices: dict[str, tuple[int, bool]]) -> list[Breach]:
    """Return a breach for each wrong or missing push of a probe message; `devices` is name -> (user, was it pushed)."""
    inside = set(members)
    found = []
    for device, (user_id, was_pushed) in devices.items():
        if user_id in inside and not was_pushed:
            found.append(Breach("deaf", f"{device} was not pushed {probe}"))
        if user_id not in inside and was_pushed:
            found.append(Breach("leak", f"{device} was pushed {probe} and is no member"))
    return found
