"""Messages and what hangs on them.

A message is known by (conversation, seq); its id on the wire is "{conversation_id}-{seq}". That key is the
clustered primary key: history is read straight off it, inserts go to the end of their conversation, and one
conversation stays together on a distributed database. These tables have no foreign keys: every insert would
lock the parents' rows, and the committer has checked them already.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from imapp.columns import TABLE_OPTIONS, UtcDateTime
from imapp.extensions import Base

#: Clustered by primary key on SQLite too.
CLUSTERED = {**TABLE_OPTIONS, "sqlite_with_rowid": False}


class Message(Base):
    """One message. `change` is the number of its latest alteration in the conversation's count."""

    __tablename__ = "messages"
    # A client id is kept as long as its message: a retry, however late, finds the first result.
    __table_args__ = (UniqueConstraint("sender_id", "client_id"), CLUSTERED)

    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    change: Mapped[int] = mapped_column(BigInteger)
    sender_id: Mapped[int] = mapped_column(BigInteger)
    #: Chosen by the sender, unique per sender; null for lines that the server writes.
    client_id: Mapped[str | None] = mapped_column(String(64))
    #: Digest of what was sent, to tell a retry from another message under the same client id.
    digest: Mapped[str | None] = mapped_column(String(32))
    type: Mapped[str] = mapped_column(String(16))
    #: JSON object, its shape given by `type`; "{}" once recalled.
    content: Mapped[str] = mapped_column(Text)
    #: seq of the message that this one answers.
    reply_to_seq: Mapped[int | None] = mapped_column(BigInteger)
    #: Of a forwarded message, the sender and the time of the first one: "<user>@<milliseconds>".
    #: Earlier versions stored its id.
    forwarded_from: Mapped[str | None] = mapped_column(String(40))
    #: JSON list of user ids, or ["all"]; null when nobody is mentioned.
    mentions: Mapped[str | None] = mapped_column(Text)
    #: JSON list of {emoji, count, user_ids}; null when there are none. Derived from the table of reactions.
    reactions: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    recalled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pinned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pinned_by: Mapped[int | None] = mapped_column(BigInteger)


class MessageEdit(Base):
    """What a message said before an edit; `change` is the edit's number."""

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
    """A message mentions a user; user 0 stands for everybody in the conversation."""

    __tablename__ = "mentions"
    __table_args__ = (CLUSTERED,)

    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class Pin(Base):
    """A message is pinned: a small table, so that the list of pins costs nothing on the big one."""

    __tablename__ = "pins"
    __table_args__ = (CLUSTERED,)

    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class HiddenMessage(Base):
    """A message that a user deleted for himself; `version` is of the user's own counter."""

    __tablename__ = "hidden_messages"
    __table_args__ = (Index("ix_hidden_messages_user_id_version", "user_id", "version"), CLUSTERED)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    conversation_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)
