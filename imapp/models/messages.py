"""Messages and the rows that belong to them: edits, reactions, mentions, pins, hidden messages.

A message is identified by (conversation, seq); its id on the wire is "{conversation_id}-{seq}". That key is the
clustered primary key: history is read directly from it, inserts go to the end of their conversation, and the rows of a
conversation stay together on a distributed database. These tables have no foreign keys: every insert would lock the
parent rows, which the committer has already checked.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, UtcDateTime
from imapp.extensions import Base

#: Clustered by primary key on SQLite too.
CLUSTERED = {**TABLE_OPTIONS, "sqlite_with_rowid": False}


class Message(Base):
    """One message. `change` is the conversation's change number of its latest alteration."""

    __tablename__ = "messages"
    # A client id is kept as long as its message, so that even a late retry finds the first result.
    __table_args__ = (UniqueConstraint("sender_id", "client_id"), CLUSTERED)

    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    change: Mapped[int] = mapped_column(BigInteger)
    sender_id: Mapped[int] = mapped_column(BigInteger)
    #: Chosen by the sender, unique per sender; null for lines that the server writes.
    client_id: Mapped[str | None] = mapped_column(String(64))
    #: Digest of the sent message, to distinguish a retry from another message with the same client id.
    digest: Mapped[str | None] = mapped_column(String(32))
    type: Mapped[str] = mapped_column(String(16))
    #: JSON object; `type` determines its fields. "{}" once the message is recalled.
    content: Mapped[str] = mapped_column(Text)
    #: seq of the message that this one replies to.
    reply_to_seq: Mapped[int | None] = mapped_column(BigInteger)
    #: In a forwarded message, the sender and the time of the original: "<user>@<milliseconds>". Earlier versions
    #: stored the original's id.
    forwarded_from: Mapped[str | None] = mapped_column(String(40))
    #: JSON list of user ids, or ["all"]; null when nobody is mentioned.
    mentions: Mapped[str | None] = mapped_column(Text)
    #: JSON list of {emoji, count, user_ids}; null without reactions. Derived from the table of reactions.
    reactions: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    recalled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pinned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pinned_by: Mapped[int | None] = mapped_column(BigInteger)


class MessageEdit(Base):
    """The content of a message before an edit; `change` is the change number of the edit."""

    __tablename__ = "message_edits"
    __table_args__ = (CLUSTERED,)

    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    change: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    content: Mapped[str] = mapped_column(Text)
    edited_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Reaction(Base):
    """One user's emoji on one message."""

    __tablename__ = "reactions"
    __table_args__ = (CLUSTERED,)

    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    emoji: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Mention(Base):
    """A mention of a user in a message; user 0 stands for all members of the conversation."""

    __tablename__ = "mentions"
    __table_args__ = (CLUSTERED,)

    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class Pin(Base):
    """One pinned message. A small table of its own, so that listing pins needs no index on the messages table."""

    __tablename__ = "pins"
    __table_args__ = (CLUSTERED,)

    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class HiddenMessage(Base):
    """A message that a user has hidden from their own view; `version` is from the user's own counter."""

    __tablename__ = "hidden_messages"
    __table_args__ = (Index("ix_hidden_messages_user_id_version", "user_id", "version"), CLUSTERED)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)
