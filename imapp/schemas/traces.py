"""The delivery of one message, for operators. The content of the message is not included."""

from typing import Literal

from imapp.schemas.base import Id, In, Moment, Out
from imapp.schemas.messages import ClientId


class TraceQuery(In):
    """The delivery to all members, or to this one only."""

    user_id: Id | None = None


class SendQuery(In):
    """A message, identified by its sender and client_id."""

    sender_id: Id
    client_id: ClientId


class AcceptedOut(Out):
    """Where and when the message entered the write queue; without `sid` it came over REST."""

    at: Moment
    node: str
    sid: str | None
    session_id: int | None


class PublishedOut(Out):
    """When the message was handed to sockets and bus; `dropped`: the bus was down, or its queue full."""

    at: Moment
    bus: Literal["taken", "dropped"]


class RefusedOut(Out):
    """Why the message was not stored: the error that the sender got."""

    at: Moment
    node: str
    code: str


class NodeTraceOut(Out):
    """One live node's memory of the message, complete since `complete_since`; a deaf node does not answer."""

    node: str
    answered: bool
    bus_up: bool | None
    deaf_until: Moment | None
    complete_since: Moment | None
    heard_at: Moment | None
    handed_at: Moment | None
    handed_connections: int


class TracedConnectionOut(Out):
    """One connection; `gone`: the reason why it ended, as in imapp_disconnects_total."""

    node: str
    sid: str
    session_id: int
    since: Moment | None
    handed_at: Moment | None
    gone_at: Moment | None
    gone: str | None


class TracedMemberOut(Out):
    """One member, and how far the message has come; `reason` says why it came no further.

    There are no delivery receipts: the node reports `handed`, the client reports `read`.
    """

    user_id: int
    state: Literal["read", "handed", "sender", "dropped", "missed", "offline", "not_a_member", "unknown"]
    reason: Literal[
        "too_slow", "came_later", "deaf", "was_deaf", "bus_down", "not_heard", "not_handed", "left", "not_remembered"
    ] | None  # fmt: skip
    connections: list[TracedConnectionOut]


class TraceOut(Out):
    """The delivery of one message. `is_complete`: every live node answered, and its memory reaches back far enough."""

    message_id: str | None
    conversation_id: int | None
    sender_id: int
    client_id: str | None
    refused: RefusedOut | None
    accepted: AcceptedOut | None
    committed_at: Moment | None
    seq: int | None
    recalled_at: Moment | None
    published: PublishedOut | None
    nodes: list[NodeTraceOut]
    members: list[TracedMemberOut]
    member_count: int
    is_complete: bool
