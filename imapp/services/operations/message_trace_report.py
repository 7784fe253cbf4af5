"""The report of a trace, made of the nodes' records and the database's rows: a state and a reason for each member."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

from sqlalchemy import Row

from imapp.cluster.trace_ring import GivenRecord, Record, SentRecord, named
from imapp.schemas.messages import message_id
from imapp.schemas.traces import (
    AcceptedOut,
    NodeTraceOut,
    PublishedOut,
    RefusedOut,
    TracedConnectionOut,
    TracedMemberOut,
    TraceOut,
)

#: Milliseconds by which a time from Redis may be wrong: the nodes' clocks differ, and Redis stores whole seconds.
_BLUR_MS = 1000


class NodeAnswer(TypedDict):
    """A node's answer to the question about a message; times are Unix ms."""

    node: str
    #: False: the node is silent, and what Redis knows of it stands here.
    answered: bool
    bus_up: bool | None
    deaf_until_ms: float | None
    complete_since_ms: float | None
    records: list[Record]
    #: (user, session) by sid.
    people: dict[str, tuple[int, int]]
    #: Closed connections: (time, sid, user, session, reason).
    gone: list[tuple[float, str, int, int, str]]
    #: Open connections: (sid, user, session, since).
    connections: list[tuple[str, int, int, float]]


@dataclass(slots=True)
class _Connection:
    """What is known of one connection; times are Unix ms."""

    node: str
    session_id: int
    since_ms: float | None = None
    handed_ms: float | None = None
    gone_ms: float | None = None
    gone: str | None = None


_NOTHING = {
    "message_id": None, "conversation_id": None, "refused": None, "accepted": None, "committed_at": None, "seq": None,
    "recalled_at": None, "published": None,
}  # fmt: skip


def moment(ms: float) -> datetime:
    """Convert Unix time in ms to a datetime."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def moment_or_none(ms: float | None) -> datetime | None:
    """Convert Unix time in ms to a datetime, and None to None."""
    return None if ms is None else moment(ms)


class Report:
    """The report of one trace. `answers`: by node, also of silent nodes; `is_whole`: these are all nodes."""

    def __init__(self, answers: dict[str, NodeAnswer], is_whole: bool) -> None:
        self._answers = answers
        self._is_whole = is_whole
        self._sent: SentRecord | None = None
        self._sending_node = ""
        self._given: dict[str, GivenRecord] = {}
        self._by_user: dict[int, dict[str, _Connection]] = defaultdict(dict)
        self._committed_ms = 0.0
        self._slow_before: set[int] = set()

    def of_refused(self, sender_id: int, client_id: str, refused: RefusedOut) -> TraceOut:
        """Return the trace of a message that was refused and not stored."""
        return TraceOut(
            **{**_NOTHING, "refused": refused}, sender_id=sender_id, client_id=client_id,
            nodes=self._nodes(), members=[], member_count=0, is_complete=self._is_complete(0.0),
        )  # fmt: skip

    def of_message(self, row: Row[Any], members: list[Row[Any]], count: int) -> TraceOut:
        """Return the trace of a row of `messages`."""
        self._committed_ms = row.created_at.timestamp() * 1000
        self._read_records()
        self._read_connections()
        accepted = published = None
        if (sent := self._sent) is not None:
            people = self._answers[self._sending_node]["people"]
            _, session_id = people.get(sent.sid or "", (None, None))
            accepted = AcceptedOut(
                at=moment(sent.accepted_ms), node=self._sending_node, sid=sent.sid, session_id=session_id
            )
            published = PublishedOut(at=moment(sent.published_ms), bus="taken" if sent.is_taken else "dropped")
        return TraceOut(
            message_id=message_id(row.conversation_id, row.seq), conversation_id=row.conversation_id, seq=row.seq,
            sender_id=row.sender_id, client_id=row.client_id, refused=None, recalled_at=row.recalled_at,
            accepted=accepted, committed_at=moment(self._committed_ms), published=published,
            nodes=self._nodes(), members=[self._member(row, member) for member in members], member_count=count,
            is_complete=self._is_complete(self._committed_ms),
        )  # fmt: skip

    # -- reading the nodes' answers ----------------------------------------------------------------------------------

    def _read_records(self) -> None:
        for node, answer in self._answers.items():
            for record in map(named, answer["records"]):
                if isinstance(record, SentRecord):
                    self._sent, self._sending_node = record, node
                    self._committed_ms = record.committed_ms
                elif isinstance(record, GivenRecord):
                    self._given[node] = record

    def _read_connections(self) -> None:
        """Collect the relevant connections by user and sid: open, handed the message, or closed."""
        for node, answer in self._answers.items():
            for sid, user_id, session_id, since_ms in answer["connections"]:
                self._by_user[user_id][sid] = _Connection(node, session_id, since_ms)
            if given := self._given.get(node):
                for sid in filter(answer["people"].get, given.sids):
                    user_id, session_id = answer["people"][sid]
                    one = self._by_user[user_id].setdefault(sid, _Connection(node, session_id))
                    one.handed_ms = given.flushed_ms
            for ms, sid, user_id, _, reason in answer["gone"]:
                if known := self._by_user[user_id].get(sid):
                    known.gone_ms, known.gone = ms, reason
                elif reason == "too_slow" and ms <= self._committed_ms:
                    self._slow_before.add(user_id)

    # -- reporting ---------------------------------------------------------------------------------------------------

    def _nodes(self) -> list[NodeTraceOut]:
        shown = []
        for node, answer in sorted(self._answers.items()):
            given = self._given.get(node)
            shown.append(
                NodeTraceOut(
                    node=node,
                    answered=answer["answered"],
                    bus_up=answer["bus_up"],
                    deaf_until=moment_or_none(answer["deaf_until_ms"]),
                    complete_since=moment_or_none(answer["complete_since_ms"]),
                    heard_at=moment(given.heard_ms) if given and given.came_by_bus else None,
                    handed_at=moment_or_none(given.flushed_ms) if given else None,
                    handed_connections=given.connections if given else 0,
                )
            )
        return shown

    def _is_complete(self, since_ms: float) -> bool:
        answers = self._answers.values()
        remembered = [answer["answered"] and (answer["complete_since_ms"] or 0) <= since_ms for answer in answers]
        return self._is_whole and bool(remembered) and all(remembered)

    # -- one member --------------------------------------------------------------------------------------------------

    def _member(self, row: Row[Any], member: Row[Any]) -> TracedMemberOut:
        known = self._by_user.get(member.user_id, {})
        state, reason = self._state(row, member, list(known.values()))
        connections = [
            TracedConnectionOut(
                node=one.node, sid=sid, session_id=one.session_id, since=moment_or_none(one.since_ms),
                handed_at=moment_or_none(one.handed_ms), gone_at=moment_or_none(one.gone_ms), gone=one.gone,
            )
            for sid, one in known.items()
        ]  # fmt: skip
        return TracedMemberOut.model_validate(
            {"user_id": member.user_id, "state": state, "reason": reason, "connections": connections}
        )

    def _state(self, row: Row[Any], member: Row[Any], known: list[_Connection]) -> tuple[str, str | None]:
        if member.user_id == row.sender_id:
            return "sender", None
        if member.read_seq >= row.seq:
            return "read", None
        if member.left_at is not None:
            return "not_a_member", "left"
        handed = [one for one in known if one.handed_ms is not None]
        if handed:
            is_dropped = all(one.gone == "too_slow" for one in handed)
            return ("dropped", "too_slow") if is_dropped else ("handed", None)
        return self._why_not(member, known)

    def _why_not(self, member: Row[Any], known: list[_Connection]) -> tuple[str, str | None]:
        latest_ms = {  # for a silent node, times come from Redis, which stores whole seconds
            node: self._committed_ms + (0 if answer["answered"] else _BLUR_MS) for node, answer in self._answers.items()
        }
        open_then = [one for one in known if one.since_ms and one.since_ms <= latest_ms[one.node]]
        # Some node must have records of the message, and the records of the nodes concerned must reach back to it.
        sinces = [self._answers[one.node]["complete_since_ms"] for one in open_then]
        is_remembered = all(since is None or since <= self._committed_ms for since in sinces)
        if not is_remembered or (self._sent is None and not self._given):
            return "unknown", "not_remembered"
        if open_then:
            return "missed", self._why_missed(open_then[0].node)
        if member.user_id in self._slow_before:
            return "offline", "too_slow"
        return "offline", "came_later" if known else None

    def _why_missed(self, node: str) -> str:
        answer = self._answers[node]
        if self._given.get(node) is not None:
            return "not_handed"
        if self._sent is not None and self._sending_node != node and not self._sent.is_taken:
            return "bus_down"
        if not answer["answered"] or not answer["bus_up"]:
            return "deaf"
        return "was_deaf" if (answer["deaf_until_ms"] or 0) > self._committed_ms else "not_heard"
