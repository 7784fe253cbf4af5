"""Conversations and their members."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, BigId, UtcDateTime
from imapp.extensions import Base


class Conversation(Base):
    """A private conversation of two users, or the conversation of a group (same id).

    Every transaction that changes anything in the conversation locks this row first. `last_seq` numbers the messages,
    `last_change` numbers all changes; neither sequence has gaps.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("user_low_id", "user_high_id"),
        # For finding a user's private conversations in which theirs is the greater id of the pair.
        Index("ix_conversations_user_high_id", "user_high_id"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    type: Mapped[str] = mapped_column(String(8))
    last_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    last_change: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Numbers of the oldest message and the oldest change that retention keeps. Rows with lower numbers are ignored,
    #: even if they have not been deleted yet.
    first_seq: Mapped[int] = mapped_column(BigInteger, default=1, server_default="1")
    first_change: Mapped[int] = mapped_column(BigInteger, default=1, server_default="1")
    #: Time of the latest message; the list of conversations is ordered by it.
    active_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Time at which a read mark visible to other members last moved because its owner marked messages as read. A mark
    #: that moves because its owner sends a message is not counted here: the message is a change of its own.
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The two users of a private conversation, smaller id first: each pair has one conversation. Null for groups.
    user_low_id: Mapped[int | None] = mapped_column(BigInteger)
    user_high_id: Mapped[int | None] = mapped_column(BigInteger)
    #: Bit mask of the users that have written in a private conversation: 1 the smaller id, 2 the greater id,
    #: 3 (BOTH_WROTE) both. Rows from earlier versions, and from nodes still running one, count as written by both.
    voices: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="3")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


#: Values of `ConversationMember.standing`.
LEFT, KICKED, LIFTED, UNSEEN = "left", "kicked", "lifted", "unseen"

#: `Conversation.voices` when both users of a private conversation have sent a message.
BOTH_WROTE = 3


class ConversationMember(Base):
    """One user's membership in one conversation, with the user's own settings for it.

    The row stays when the user leaves (`left_at`), so that a returning member keeps the settings. `version` is taken
    from the user's counter (UserState) whenever the user's own state in this row changes.
    """

    __tablename__ = "conversation_members"
    # Lists read the conversations of one user. Every `sync` reads the rows above a version and mostly finds none.
    __table_args__ = (
        Index("ix_conversation_members_user_id_version", "user_id", "version"),
        Index("ix_conversation_members_user_id_requests_version", "user_id", "requests_version"),
        TABLE_OPTIONS,
    )

    conversation_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("conversations.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    #: member, admin or owner; in private conversations always member.
    role: Mapped[str] = mapped_column(String(8), default="member")
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)
    left_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: In a group, how the latest membership ended: LEFT, KICKED (banned) or LIFTED (the ban was lifted); null: unknown.
    #: In a private conversation UNSEEN: the peer opened it, and it stays hidden until its first message.
    standing: Mapped[str | None] = mapped_column(String(8))
    muted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    read_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    pinned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: True if the user wants no notifications for this conversation.
    is_muted: Mapped[bool] = mapped_column(Boolean, default=False)
    is_marked_unread: Mapped[bool] = mapped_column(Boolean, default=False)
    #: The conversation is hidden from the list until a message with a greater seq arrives; null: shown.
    hidden_seq: Mapped[int | None] = mapped_column(BigInteger)
    draft: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Value of the user's counter when the join requests of this group that the user may see last changed.
    requests_version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
