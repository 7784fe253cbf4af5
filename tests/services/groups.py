"""Helpers for the tests of groups: create a group, speak in it, and read what is stored."""

from uuid import uuid4

import orjson
from sqlalchemy import func, select

from imapp.extensions import db
from imapp.models.changes import Change
from imapp.models.conversations import ConversationMember
from imapp.models.groups import Group
from imapp.models.own_state import UserState
from imapp.schemas.groups import GroupIn, JoinIn
from imapp.schemas.messages import HistoryQuery, MessageDraft
from imapp.services.groups import group_links, group_members, groups
from imapp.services.messaging import messages


def make_group(owner, *members, **options):
    """Create a group and return its id; members may propose others unless `options` say otherwise."""
    options = {"join_policy": "approval", **options}
    return groups.create(owner, GroupIn(name="Hikers", member_ids=list(members), **options)).id


def ask(user_id, group_id, message=""):
    """Ask to join by the group's link; return the answer."""
    group = group_row(group_id)
    token = group.link_token or group_links.renew(group.owner_id, group_id).token
    return group_members.join(user_id, group_id, JoinIn(message=message, token=token))


def say(user_id, group_id):
    """Send a text; return the message."""
    draft = MessageDraft(client_id=uuid4().hex, type="text", content={"text": "hello"})
    return messages.send(user_id, group_id, draft)["message"]


def group_row(group_id):
    """Return the group as it is stored now."""
    return db.session.get(Group, group_id, populate_existing=True)


def row_of(group_id, user_id):
    """Return a member's row as it is stored now."""
    return db.session.get(ConversationMember, (group_id, user_id), populate_existing=True)


def present(group_id):
    """Return the number of present members."""
    rows = select(func.count()).where(ConversationMember.conversation_id == group_id)
    return db.session.scalar(rows.where(ConversationMember.left_at.is_(None)))


def lines(reader, group_id):
    """Return the lines that the server wrote into the timeline, oldest first."""
    page = messages.history(reader, group_id, HistoryQuery(after=0, limit=200))
    return [message.content for message in page.items if message.type == "system"]


def changes(group_id):
    """Return the change log as (number, event, payload)."""
    found = db.session.scalars(select(Change).where(Change.conversation_id == group_id).order_by(Change.change))
    return [(row.change, row.event, orjson.loads(row.data) if row.data else None) for row in found]


def version_of(user_id):
    """Return the version counter of a user's own state."""
    return db.session.scalar(select(UserState.version).where(UserState.user_id == user_id))
