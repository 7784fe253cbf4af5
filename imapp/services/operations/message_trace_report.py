"""The report of a trace, made of the nodes' records and the database's rows: a state and a reason for each member."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from imapp.cluster.trace_ring import GIVEN, SENT
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

#: The facts about connections by sid.
_Known = dict[str, dict[str, Any]]

_NOTHING = {
    "message_id": None, "conversation_id": None, "refused": None, "accepted": None, "committed_at": None, "seq": None,
    "recalled_at": None, "published": None,
}  # fmt: skip


def moment(ms: float | None) -> datetime | None:
    """Convert Unix time in ms to a datetime."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


class Report:
    """The report of one trace. `answers`: by node, also of silent nodes; `is_whole`: these are all nodes."""

    def __init__(self, answers: dict[str, Any], is_whole: bool) -> None:
        self._answers = answers
        self._is_whole = is_whole
        self._sent: tuple[str, Any] | None = None
        self._given: dict[str, Any] = {}
        self._by_user: dict[int, _Known] = defaultdict(dict)
        self._committed_ms = 0.0
        self._slow_before: set[int] = set()

    def of_refused(self, sender_id: int, client_id: str, refused: dict[str, Any]) -> TraceOut:
        """Return the trace of a message that was refused and not stored."""
        return TraceOut(
            **{**_NOTHING, "refused": RefusedOut(**refused)}, sender_id=sender_id, client_id=client_id,
            nodes=self._nodes(), members=[], member_count=0, is_complete=self._is_complete(0.0),
        )  # fmt: skip

    def of_message(self, row: Any, members: list[Any], count: int) -> TraceOut:
        """Return the trace of a row of `messages`."""
        self._committed_ms = row.created_at.timestamp() * 1000
        self._read_records()
        self._read_connections()
        return TraceOut(
            message_id=message_id(row.conversation_id, row.seq), conversation_id=row.conversation_id, seq=row.seq,
            sender_id=row.sender_id, client_id=row.client_id, refused=None, recalled_at=row.recalled_at,
            accepted=self._accepted(), committed_at=moment(self._committed_ms), published=self._published(),
            nodes=self._nodes(), members=[self._member(row, member) for member in members], member_count=count,
            is_complete=self._is_complete(self._committed_ms),
        )  # fmt: skip

    # -- reading the nodes' answers ----------------------------------------------------------------------------------

    def _read_records(self) -> None:
        for node, answer in self._answers.items():
            for record in answer["records"]:
                if record[1] == SENT:
                    self._sent = node, record
                    self._committed_ms = record[3]
                elif record[1] == GIVEN:
                    self._given[node] = record

    def _read_connections(self) -> None:
        """Collect the relevant connections by user and sid: open, handed the message, or closed."""
        for node, answer in self._answers.items():
            for sid, user_id, _, since_ms in answer["connections"]:
                self._connection(answer, node, sid, user_id)["since"] = since_ms
            for sid in self._handed_sids(node):
                user_id, _ = answer["people"].get(sid, (None, None))
                if user_id is not None:
                    self._connection(answer, node, sid, user_id)["handed"] = self._given[node][3]
            for ms, sid, user_id, _, reason in answer["gone"]:
                if sid in self._by_user[user_id]:
                    self._by_user[user_id][sid].update(gone_at=ms, gone=reason)
                elif reason == "too_slow" and ms <= self._committed_ms:
                    self._slow_before.add(user_id)

    def _handed_sids(self, node: str) -> list[str]:
        return list(self._given[node][5]) if node in self._given else []

    def _connection(self, answer: Any, node: str, sid: str, user_id: int) -> dict[str, Any]:
        sessions = {one[0]: one[2] for one in answer["connections"]}
        session_id = sessions.get(sid) or answer["people"].get(sid, (0, 0))[1]
        fresh = {"node": node, "session_id": session_id, "since": None, "handed": None, "gone_at": None, "gone": None}
        return self._by_user[user_id].setdefault(sid, fresh)

    # -- reporting ---------------------------------------------------------------------------------------------------

    def _accepted(self) -> AcceptedOut | None:
        if self._sent is None:
            return None
        node, record = self._sent
        _, session_id = self._answers[node]["people"].get(record[5], (None, None))
        at = datetime.fromtimestamp(record[0] / 1000, UTC)
        return AcceptedOut(at=at, node=node, sid=record[5], session_id=session_id)

    def _published(self) -> PublishedOut | None:
        if self._sent is None:
            return None
        record = self._sent[1]
        at = datetime.fromtimestamp(record[4] / 1000, UTC)
        return PublishedOut(at=at, bus="taken" if record[6] else "dropped")

    def _nodes(self) -> list[NodeTraceOut]:
        return [self._node(node, answer) for node, answer in sorted(self._answers.items())]

    def _node(self, node: str, answer: Any) -> NodeTraceOut:
        given = self._given.get(node)
        return NodeTraceOut(
            node=node,
            answered=answer["answered"],
            bus_up=answer["bus_up"],
            deaf_until=moment(answer["deaf_until_ms"]),
            complete_since=moment(answer["complete_since_ms"]),
            heard_at=moment(given[0]) if given and given[6] else None,
            handed_at=moment(given[3]) if given else None,
            handed_connections=given[4] if given else 0,
        )

    def _is_complete(self, since_ms: float) -> bool:
        answers = self._answers.values()
        remembered = [answer["answered"] and answer["complete_since_ms"] <= since_ms for answer in answers]
        return self._is_whole and bool(remembered) and all(remembered)

    # -- one member --------------------------------------------------------------------------------------------------

    def _member(self, row: Any, member: Any) -> TracedMemberOut:
        known = self._by_user.get(member.user_id, {})
        state, reason = self._state(row, member, list(known.values()))
        connections = [self._shown(sid, one) for sid, one in known.items()]
        return TracedMemberOut.model_validate(
            {"user_id": member.user_id, "state": state, "reason": reason, "connections": connections}
        )

    def _shown(self, sid: str, one: dict[str, Any]) -> TracedConnectionOut:
        return TracedConnectionOut(
            node=one["node"], sid=sid, session_id=one["session_id"], since=moment(one["since"]),
            handed_at=moment(one["handed"]), gone_at=moment(one["gone_at"]), gone=one["gone"],
        )  # fmt: skip

    def _state(self, row: Any, member: Any, known: list[dict[str, Any]]) -> tuple[str, str | None]:
        if member.user_id == row.sender_id:
            return "sender", None
        if member.read_seq >= row.seq:
            return "read", None
        if member.left_at is not None:
            return "not_a_member", "left"
        handed = [one for one in known if one["handed"] is not None]
        if handed:
            is_dropped = all(one["gone"] == "too_slow" for one in handed)
            return ("dropped", "too_slow") if is_dropped else ("handed", None)
        return self._why_not(member, known)

    def _why_not(self, member: Any, known: list[dict[str, Any]]) -> tuple[str, str | None]:
        open_then = [one for one in known if one["since"] and one["since"] <= self._committed_ms + self._blur(one)]
        if not self._is_remembered(open_then):
            return "unknown", "not_remembered"
        if open_then:
            return "missed", self._why_missed(open_then[0]["node"])
        if member.user_id in self._slow_before:
            return "offline", "too_slow"
        return "offline", "came_later" if known else None

    def _blur(self, one: dict[str, Any]) -> float:
        """Return the tolerance in ms: for a silent node, times come from Redis, which stores whole seconds."""
        return 0 if self._answers[one["node"]]["answered"] else _BLUR_MS

    def _is_remembered(self, open_then: list[dict[str, Any]]) -> bool:
        """Return whether any node has records of the message, and those of the nodes concerned reach back to it."""
        sinces = [self._answers[one["node"]]["complete_since_ms"] for one in open_then]
        is_followed = self._sent is not None or bool(self._given)
        return is_followed and all(since is None or since <= self._committed_ms for since in sinces)

    def _why_missed(self, node: str) -> str:
        answer = self._answers[node]
        if self._given.get(node) is not None:
            return "not_handed"
        if self._sent is not None and self._sent[0] != node and not self._sent[1][6]:
            return "bus_down"
        if not answer["answered"] or not answer["bus_up"]:
            return "deaf"
        return "was_deaf" if (answer["deaf_until_ms"] or 0) > self._committed_ms else "not_heard"
