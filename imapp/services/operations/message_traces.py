"""Tracing a message: its row in the database, and the records that each node keeps in memory.

The nodes are asked by a node command over the bus and answer through Redis, in

    {cluster}:trace:TOKEN     list  one JSON object for each node; expires after ten seconds

so that nothing is written unless a trace is requested. A deaf node does not answer; its connections are then read from
Redis.
"""

import secrets
import time
from typing import Any

import orjson
from flask import Flask, current_app
from sqlalchemy import Row, select

from imapp.cluster import redis, trace_ring
from imapp.cluster.bus import bus, write_only
from imapp.cluster.bus.node_commands import TRACE, TraceQuestion
from imapp.cluster.registry import presence
from imapp.cluster.registry.registry import ConnectionInfo
from imapp.cluster.trace_ring import GivenRecord, RefusedRecord, SentRecord, named
from imapp.errors import NotFoundError
from imapp.extensions import db, settings
from imapp.logs import get_logger
from imapp.models.conversations import ConversationMember
from imapp.models.messages import Message
from imapp.schemas.messages import message_id, split_message_id
from imapp.schemas.traces import RefusedOut, TraceOut
from imapp.services.accounts.authentication import Actor, require_operator
from imapp.services.operations.message_trace_report import NodeAnswer, Report, moment

log = get_logger(__name__)

#: Seconds that the nodes have for their answers, between two reads of the answers, and until unread answers expire.
_WAIT_SECONDS = 2.0
_POLL_SECONDS = 0.02
_EXPIRY_SECONDS = 10

#: Maximum number of members in a trace. For a larger group, it shows the first ones, or the requested one.
MEMBERS_MAX = 200

_COLUMNS = (
    Message.conversation_id, Message.seq, Message.sender_id, Message.client_id, Message.created_at, Message.recalled_at
)  # fmt: skip


def trace(actor: Actor, id_: str, user_id: int | None = None) -> TraceOut:
    """Trace a message for an operator; raises ForbiddenError, NotFoundError."""
    require_operator(actor)
    return find(id_, user_id, here=True)


def trace_send(actor: Actor, sender_id: int, client_id: str) -> TraceOut:
    """Trace a stored or refused message by its `client_id`, for an operator; raises ForbiddenError, NotFoundError."""
    require_operator(actor)
    return find_send(sender_id, client_id, here=True)


def find(id_: str, user_id: int | None = None, *, here: bool = False) -> TraceOut:
    """Trace a message; `here`: this process is a node and not the command line. Raises NotFoundError."""
    conversation_id, seq = split_message_id(id_)
    row = db.session.execute(
        select(*_COLUMNS).where(Message.conversation_id == conversation_id, Message.seq == seq)
    ).one_or_none()
    if row is None:
        raise NotFoundError
    return _report(row, user_id, here)


def find_send(sender_id: int, client_id: str, *, here: bool = False) -> TraceOut:
    """Trace a message by its sender and `client_id`; `here` as in `find`. Raises NotFoundError."""
    row = db.session.execute(
        select(*_COLUMNS).where(Message.sender_id == sender_id, Message.client_id == client_id)
    ).one_or_none()
    if row is not None:
        return _report(row, None, here)
    answers, is_whole = _ask(client_id, [], here)
    refusals = [
        (record, node)
        for node, answer in answers.items()
        for record in map(named, answer["records"])
        if isinstance(record, RefusedRecord)
    ]
    own = [(record, node) for record, node in refusals if record.sender_id == sender_id]
    if not own:
        raise NotFoundError
    latest, node = max(own)
    refused = RefusedOut(at=moment(latest.refused_ms), node=node, code=latest.code)
    return Report(answers, is_whole).of_refused(sender_id, client_id, refused)


def _report(row: Row[Any], user_id: int | None, here: bool) -> TraceOut:
    members, count = _members(row.conversation_id, user_id)
    id_ = message_id(row.conversation_id, row.seq)
    db.session.close()  # the nodes' answers take a while
    answers, is_whole = _ask(id_, [member.user_id for member in members], here)
    return Report(answers, is_whole).of_message(row, members, count)


def _members(conversation_id: int, user_id: int | None) -> tuple[list[Row[Any]], int]:
    """Return the first members, or the requested one even if they have left, and the number of members."""
    query = select(ConversationMember.user_id, ConversationMember.read_seq, ConversationMember.left_at).where(
        ConversationMember.conversation_id == conversation_id
    )
    rows = list(db.session.execute(query.order_by(ConversationMember.user_id)))
    present = [row for row in rows if row.left_at is None]
    shown = present[:MEMBERS_MAX] if user_id is None else [row for row in rows if row.user_id == user_id]
    if user_id is not None and not shown:
        raise NotFoundError("This user was never a member of the conversation.")
    return shown, len(present)


# -- asking the nodes ----------------------------------------------------------------------------------------------


def _ask(key: str, user_ids: list[int], here: bool) -> tuple[dict[str, NodeAnswer], bool]:
    """Return the nodes' records by node, and whether all nodes of the cluster are known."""
    reports = presence.cluster().reports()
    living = {str(report["id"]) for report in reports or []}
    token = secrets.token_hex(16)
    question: TraceQuestion = {"token": token, "key": key, "users": user_ids}
    answers: dict[str, NodeAnswer] = {}
    if here:
        answers[settings.node_id] = answer(question)
    if living - set(answers) and write_only.give_all(settings, TRACE, question):
        _collect(token, living, answers)
    for node_id in living - set(answers):
        answers[node_id] = _silent(node_id, user_ids)
    return answers, reports is not None or settings.redis_url is None


def _collect(token: str, living: set[str], answers: dict[str, NodeAnswer]) -> None:
    """Collect the answers until all nodes have answered or _WAIT_SECONDS are over."""
    client, deadline = redis.client(), time.monotonic() + _WAIT_SECONDS
    while not living <= set(answers) and time.monotonic() < deadline:
        found = redis.ask(lambda: client.lrange(_key(token), 0, -1))
        if found is None:
            return
        answers.update({one["node"]: one for one in map(orjson.loads, found)})
        time.sleep(_POLL_SECONDS)


def _silent(node_id: str, user_ids: list[int]) -> NodeAnswer:
    """Return the entry of a node that did not answer, with its connections known to Redis."""
    wanted = set(user_ids)
    found = presence.cluster().connections(node_id)
    return {
        "node": node_id, "answered": False, "bus_up": None, "deaf_until_ms": None, "complete_since_ms": None,
        "records": [], "people": {}, "gone": [],
        "connections": [_connection(one) for one in found if one.user_id in wanted],
    }  # fmt: skip


# -- answering -----------------------------------------------------------------------------------------------------


def reply(app: Flask, question: TraceQuestion) -> None:
    """Answer a question of another node or the command line, through Redis."""
    with app.app_context():
        client, found, key = redis.client(), orjson.dumps(answer(question)), _key(question["token"])

        def tell() -> bool:
            client.rpush(key, found)
            return bool(client.expire(key, _EXPIRY_SECONDS))

        if redis.ask(tell) is None:
            log.warning("trace_unanswered", message="Redis did not take the answer")


def answer(question: TraceQuestion) -> NodeAnswer:
    """Return this node's records."""
    ring, local = trace_ring.of_app(current_app), presence.local()
    records = ring.of(question["key"])
    sids = {sid for record in map(named, records) for sid in _sids_of(record)}
    gone = ring.gone(set(question["users"]), sids)
    people = {sid: (user_id, session_id) for _, sid, user_id, session_id, _ in gone}
    people |= {sid: (local.open[sid].user_id, local.open[sid].session_id) for sid in sids if sid in local.open}
    return {
        "node": settings.node_id, "answered": True, "bus_up": bus.is_up(), "deaf_until_ms": ring.deaf_until_ms,
        "complete_since_ms": ring.complete_since_ms, "records": records, "people": people, "gone": gone,
        "connections": [_connection(one) for one in local.of_users(question["users"])],
    }  # fmt: skip


def _sids_of(record: trace_ring.NamedRecord | None) -> tuple[str, ...]:
    if isinstance(record, GivenRecord):
        return record.sids
    return (record.sid,) if isinstance(record, SentRecord) and record.sid is not None else ()


def _connection(one: ConnectionInfo) -> tuple[str, int, int, float]:
    return one.sid, one.user_id, one.session_id, one.since * 1000


def _key(token: str) -> str:
    return f"{{{settings.cluster_name}}}:trace:{token}"
