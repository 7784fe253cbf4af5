"""The user's own state for `sync`: all rows with a version above the device's cursor, in the order of versions."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import Select, case, select
from sqlalchemy.orm import InstrumentedAttribute

from imapp.extensions import db
from imapp.models.conversations import KICKED, Conversation, ConversationMember
from imapp.models.groups import JoinRequest
from imapp.models.messages import HiddenMessage
from imapp.models.own_state import UserState
from imapp.models.users import User
from imapp.schemas.groups import BansQuery, GroupJoinRequests
from imapp.schemas.messages import message_id
from imapp.schemas.users import MeOut, UserOut
from imapp.services.contacts import contact_views
from imapp.services.contacts.contact_views import StateRow, version_of
from imapp.services.groups import bans, join_requests
from imapp.services.groups.join_requests import WAITING
from imapp.services.messaging.conversation_settings import state_of
from imapp.services.write_path.permissions import ADMINS

#: Approximate maximum number of rows, and of bytes of JSON, in one answer.
PAGE_ROWS = 500
PAGE_BYTES = 400_000


def page(user_id: int, after: int) -> tuple[list[StateRow], int, bool]:
    """Return (rows, the version up to which they are complete, whether there are more).

    The counter is read first: every version up to it is committed, and later changes get greater versions.
    Rows of one version stay together.
    """
    head = db.session.scalar(select(UserState.version).where(UserState.user_id == user_id)) or 0
    if after >= head:
        return [], head, False
    until = _until(user_id, after, head)
    rows = sorted(_rows(user_id, after, until), key=version_of)
    fitting = _fitting(rows)
    if len(fitting) < len(rows):
        until = fitting[-1].version
    return fitting, until, until < head


def since(user_id: int, conversation_ids: AbstractSet[int], after: int) -> list[StateRow]:
    """Return the user's settings of these conversations, if newer than the page: the user has just entered them."""
    newer = _conversations_of(user_id).where(ConversationMember.version > after).order_by(ConversationMember.version)
    found = db.session.scalars(newer, execution_options={"populate_existing": True})
    return [
        StateRow(row.version, "conversation", state_of(row).wire())
        for row in found
        if row.conversation_id in conversation_ids
    ]


def _until(user_id: int, after: int, head: int) -> int:
    """Return the version up to which there are at most PAGE_ROWS rows (more if all have the same version)."""
    limit = PAGE_ROWS + 1
    versions = [row.version for row in contact_views.rows(user_id, after, limit)]
    for version, wanted in _sources(user_id):
        newer = wanted.with_only_columns(version).where(version > after, version <= head)
        versions += db.session.scalars(newer.order_by(version).limit(limit))
    versions.sort()
    if len(versions) < limit:
        return head
    return max(versions[0], versions[PAGE_ROWS] - 1)


def _sources(user_id: int) -> list[tuple[InstrumentedAttribute[int], Select[Any]]]:
    """Return the queries for the user's own state other than contacts, each with the column of its version."""
    # The other sides of private conversations that have ever changed their public profile.
    peer_id = case((Conversation.user_low_id == user_id, Conversation.user_high_id), else_=Conversation.user_low_id)
    peers = (
        select(ConversationMember.version, User)
        .join(Conversation, Conversation.id == ConversationMember.conversation_id)
        .join(User, User.id == peer_id)
        .where(ConversationMember.user_id == user_id, User.revision > 0)
    )
    hidden = select(HiddenMessage.version, HiddenMessage.conversation_id, HiddenMessage.seq)
    return [
        (ConversationMember.version, _conversations_of(user_id)),
        (ConversationMember.version, peers),
        (HiddenMessage.version, hidden.where(HiddenMessage.user_id == user_id)),
        (User.version, select(User).where(User.id == user_id)),
        (JoinRequest.version, join_requests.requests_of(user_id)),
        (ConversationMember.requests_version, _conversations_of(user_id)),
    ]


def _conversations_of(user_id: int) -> Select[Any]:
    return select(ConversationMember).where(ConversationMember.user_id == user_id)


def _rows(user_id: int, after: int, until: int) -> list[StateRow]:
    contacts = contact_views.rows(user_id, after, PAGE_ROWS + 1)
    members, peers, hidden, accounts, asked, staffed = (
        db.session.execute(
            wanted.where(version > after, version <= until).order_by(version),
            execution_options={"populate_existing": True},
        )
        for version, wanted in _sources(user_id)
    )
    hidden_ids: dict[int, list[str]] = {}
    for version, conversation_id, seq in hidden:
        hidden_ids.setdefault(version, []).append(message_id(conversation_id, seq))
    return [
        *(row for row in contacts if row.version <= until),
        *(StateRow(member.version, "conversation", state_of(member).wire()) for member in members.scalars()),
        *(StateRow(version, "user", UserOut.model_validate(user).wire()) for version, user in peers),
        *(
            StateRow(version, "messages_hidden", {"message_ids": ids, "version": version})
            for version, ids in hidden_ids.items()
        ),
        *(StateRow(user.version, "me", MeOut.model_validate(user).wire()) for user in accounts.scalars()),
        *(
            StateRow(request.version, "join_request", join_requests.request_out(request, group, user).wire())
            for request, group, user in asked
        ),
        *_group_requests(staffed.scalars().all()),
    ]


def _group_requests(members: Sequence[ConversationMember]) -> list[StateRow]:
    """Return the groups' open requests and bans, for owner and admins: three queries for each group that has any."""
    staffed = {row.conversation_id for row in members if row.left_at is None and row.role in ADMINS}
    busy: set[int] = set()
    if staffed:
        asked = select(JoinRequest.group_id).where(JoinRequest.group_id.in_(staffed), JoinRequest.status.in_(WAITING))
        member = ConversationMember
        banned = select(member.conversation_id).where(member.conversation_id.in_(staffed), member.standing == KICKED)
        busy = set(db.session.scalars(asked.union(banned.where(member.left_at.is_not(None)))))
    return [
        StateRow(row.requests_version, "group_join_requests", _staff_view(row.conversation_id, busy)) for row in members
    ]


def _staff_view(group_id: int, busy: set[int]) -> dict[str, object]:
    if group_id not in busy:
        return GroupJoinRequests(group_id=group_id).wire()
    pending, invited = (join_requests.waiting_page(group_id, status) for status in WAITING)
    banned = bans.page(group_id, BansQuery())
    shown = GroupJoinRequests(
        group_id=group_id,
        items=pending.items,
        next_cursor=pending.next_cursor,
        invited=invited.items,
        invited_cursor=invited.next_cursor,
        bans=banned.items,
        bans_cursor=banned.next_cursor,
    )
    return shown.wire()


def _fitting(rows: list[StateRow]) -> list[StateRow]:
    """Return the rows that fit into PAGE_BYTES, but at least the first version; no version is split."""
    size = 0
    fitting: list[StateRow] = []
    for _, group in groupby(rows, key=version_of):
        together = list(group)
        size += len(orjson.dumps([item for *_, item in together]))
        if fitting and size > PAGE_BYTES:
            break
        fitting += together
    return fitting
