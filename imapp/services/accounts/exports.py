"""Export of the data that the server holds about one user, as a zip file of JSON lines, without any credentials.

The data is read in one snapshot of the database, with a limited number of rows in memory regardless of its size.
"""

from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import orjson
from sqlalchemy import RowMapping, Select, and_, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import InstrumentedAttribute

from imapp.extensions import Base
from imapp.models.contacts import Block, Contact, ContactRequest
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.groups import Group, JoinRequest
from imapp.models.messages import HiddenMessage, Message, MessageEdit, Reaction
from imapp.models.sessions import DeviceSession
from imapp.models.users import User
from imapp.schemas.contents import SYSTEM
from imapp.schemas.messages import message_wire
from imapp.services.accounts import users
from imapp.services.backup import backup_tables
from imapp.services.backup.backup_parts import private_file

#: Columns that hold credentials, or that have only a technical purpose.
_SECRET = {
    "password_hash",
    "refresh_hash",
    "previous_refresh_hash",
    "username_key",
    "name_digest",
    "nickname_key",
    "digest",
    "version",
}

README = """The data that this server holds about one user, without passwords and tokens.
Each file has one JSON object per line; times are UTC.

account.jsonl           the profile, e-mail address and phone number
sessions.jsonl          devices that are or were logged in, with IP address and client program
contacts.jsonl          contacts, with the user's remarks; removed_at: when the contact was removed
contact_requests.jsonl  contact requests, sent and received
blocks.jsonl            blocked users; removed_at: when the block was lifted
conversations.jsonl     conversations, with the user's role, read mark, settings and draft; left_at: when the user left
join_requests.jsonl     requests to join groups
messages.jsonl          messages that the user sent, as clients see them; a recalled message has no content
edits.jsonl             contents of these messages before they were edited
reactions.jsonl         the user's emoji reactions to messages
hidden.jsonl            messages that the user deleted from their own view only
"""


def export(user_id: int, file: Path) -> dict[str, int]:
    """Write the file, readable by its owner only; return the number of rows of each part. Raises NotFoundError."""
    users.get_row(user_id)
    counts: dict[str, int] = {}
    unnamed = file.with_name(file.name + ".new")
    with private_file(unnamed) as stream, ZipFile(stream, "w", ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        with backup_tables.snapshot() as connection:
            for name, wanted in _parts(user_id).items():
                counts[name] = _write(archive, connection, name, wanted)
    unnamed.replace(file)
    return counts


def _write(archive: ZipFile, connection: Connection, name: str, wanted: Select[Any]) -> int:
    written = 0
    options = {"stream_results": True, "yield_per": 500}
    with (
        archive.open(f"{name}.jsonl", "w", force_zip64=True) as part,
        connection.execute(wanted, execution_options=options) as result,
    ):
        for row in result.mappings():
            shown = message_wire(row) if name == "messages" else _plain(row)
            part.write(orjson.dumps(shown, option=orjson.OPT_UTC_Z) + b"\n")
            written += 1
    return written


def _plain(row: RowMapping) -> dict[str, object]:
    shown = {name: value for name, value in row.items() if name not in _SECRET and not name.endswith("_version")}
    if "content" in shown:
        shown["content"] = orjson.loads(shown["content"])
    return shown


def _parts(user_id: int) -> dict[str, Select[Any]]:
    """Return a query for each file. The queries use tables: the session would keep mapped objects in memory."""
    mine = Message.sender_id == user_id
    edited = and_(Message.conversation_id == MessageEdit.conversation_id, Message.seq == MessageEdit.seq)
    conversations = (
        select(*ConversationMember.__table__.columns, Conversation.type, Group.name)
        .join(Conversation, Conversation.id == ConversationMember.conversation_id)
        .outerjoin(Group, Group.id == Conversation.id)
    )
    return {
        "account": _of(User).where(User.id == user_id),
        "sessions": _of(DeviceSession).where(DeviceSession.user_id == user_id),
        "contacts": _with_name(Contact, Contact.contact_id).where(Contact.user_id == user_id),
        "contact_requests": _of(ContactRequest).where(
            or_(ContactRequest.from_user_id == user_id, ContactRequest.to_user_id == user_id)
        ),
        "blocks": _with_name(Block, Block.blocked_id).where(Block.user_id == user_id),
        "conversations": conversations.where(ConversationMember.user_id == user_id),
        "join_requests": _of(JoinRequest).where(JoinRequest.user_id == user_id),
        "messages": _of(Message).where(mine, Message.type != SYSTEM),
        "edits": _of(MessageEdit).join(Message, edited).where(mine),
        "reactions": _of(Reaction)
        .join(ConversationMember, ConversationMember.conversation_id == Reaction.conversation_id)
        .where(ConversationMember.user_id == user_id, Reaction.user_id == user_id),
        "hidden": _of(HiddenMessage).where(HiddenMessage.user_id == user_id),
    }


def _of(model: type[Base]) -> Select[Any]:
    return select(*model.__table__.columns)


def _with_name(model: type[Base], other_id: InstrumentedAttribute[int]) -> Select[Any]:
    return select(*model.__table__.columns, User.username).join(User, User.id == other_id)
