"""The user's own state for `sync`: whatever carries a version above the device's cursor, in the order of versions."""

from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import select

from imapp.extensions import db
from imapp.models.conversations import ConversationMember
from imapp.models.messages import HiddenMessage
from imapp.models.own_state import UserState
from imapp.schemas.messages import message_id
from imapp.services import contact_state
from imapp.services.contact_state import Row
from imapp.services.conversation_settings import state_of

#: Rows and bytes of one answer.
PAGE_ROWS = 500
PAGE_BYTES = 400_000


def page(user_id: int, after: int) -> tuple[list[Row], int, bool]:
    """Give (rows, the version up to which they are complete, whether there are more).

    The counter is read first: everything up to it is committed, and what changes meanwhile gets a version above.
    Rows of one version stay together.
    """
    head = db.session.scalar(select(UserState.version).where(UserState.user_id == user_id)) or 0
    if after >= head:
        return [], head, False
    until = _until(user_id, after, head)
    rows = sorted(_rows(user_id, after, until), key=_version)
    fitting = _fitting(rows)
    if len(fitting) < len(rows):
        until = _version(fitting[-1])
    return fitting, until, until < head


def _version(row: Row) -> int:
    return row[0]


def _until(user_id: int, after: int, head: int) -> int:
    """The version up to which there are PAGE_ROWS rows at most (more if they have one version)."""
    limit = PAGE_ROWS + 1
    versions = [row[0] for row in contact_state.rows(user_id, after, limit)]
    for model in (ConversationMember, HiddenMessage):
        newer = select(model.version).where(model.user_id == user_id, model.version > after, model.version <= head)
        versions += db.session.scalars(newer.order_by(model.version).limit(limit))
    versions.sort()
    if len(versions) < limit:
        return head
    return max(versions[0], versions[PAGE_ROWS] - 1)


def _rows(user_id: int, after: int, until: int) -> list[Row]:
    contacts = contact_state.rows(user_id, after, PAGE_ROWS + 1)
    return [
        *(row for row in contacts if row[0] <= until),
        *_conversations(user_id, after, until),
        *_hidden(user_id, after, until),
    ]


def _conversations(user_id: int, after: int, until: int) -> list[Row]:
    statement = (
        select(ConversationMember)
        .where(ConversationMember.user_id == user_id)
        .where(ConversationMember.version > after, ConversationMember.version <= until)
        .execution_options(populate_existing=True)
    )
    return [(member.version, "conversation", state_of(member).wire()) for member in db.session.scalars(statement)]


def _hidden(user_id: int, after: int, until: int) -> list[Row]:
    statement = (
        select(HiddenMessage.version, HiddenMessage.conversation_id, HiddenMessage.seq)
        .where(HiddenMessage.user_id == user_id, HiddenMessage.version > after, HiddenMessage.version <= until)
        .order_by(HiddenMessage.version)
    )
    found: list[Row] = []
    for version, keys in groupby(db.session.execute(statement), key=lambda row: row.version):
        ids = [message_id(key.conversation_id, key.seq) for key in keys]
        found.append((version, "messages_hidden", {"message_ids": ids, "version": version}))
    return found


def _fitting(rows: list[Row]) -> list[Row]:
    """As many as fit into the bytes, without splitting a version; the first version at any rate."""
    size = 0
    fitting: list[Row] = []
    for _, group in groupby(rows, key=_version):
        together = list(group)
        size += len(orjson.dumps([item for _, _, item in together]))
        if fitting and size > PAGE_BYTES:
            break
        fitting += together
    return fitting


def wire(row: Row) -> dict[str, Any]:
    """The row as clients see it."""
    version, kind, item = row
    return {"version": version, "kind": kind, "item": item}
