"""Conversations and who is in them."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from imapp.columns import TABLE_OPTIONS, BigId, UtcDateTime
from imapp.extensions import Base


class Conversation(Base):
    """A private conversation of two users, or the conversation of a group (same id).

    The row is locked by whoever alters anything in the conversation: `last_seq` numbers messages, `last_change`
    numbers every alteration, both without a hole.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("user_low_id", "user_high_id"),
        # "Whom does this user talk to?", from the other end of the pair.
        Index("ix_conversations_user_high_id", "user_high_id"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    type: Mapped[str] = mapped_column(String(8))
    last_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    last_change: Mapped[int] = mapped_column(BigInteger, default=0)
    #: The oldest message and change that retention leaves: whatever is below does not count, deleted yet or not.
    first_seq: Mapped[int] = mapped_column(BigInteger, default=1, server_default="1")
    first_change: Mapped[int] = mapped_column(BigInteger, default=1, server_default="1")
    #: When the last message came; the list of conversations is ordered by it.
    active_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: When a read mark that others see moved last, by marking as read: not by sending, which is a change.
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The two users of a private conversation, smaller id first: one conversation for each pair. Null for groups.
    user_low_id: Mapped[int | None] = mapped_column(BigInteger)
    user_high_id: Mapped[int | None] = mapped_column(BigInteger)
    #: Which sides of a private conversation have written: 1 the smaller id, 2 the greater, 3 (BOTH_WROTE) both.
    #: Rows of earlier versions, and of their nodes beside this one, count as written by both.
    voices: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="3")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


#: Values of `ConversationMember.standing`.
LEFT, KICKED, LIFTED, UNSEEN = "left", "kicked", "lifted", "unseen"

#: `Conversation.voices` when both users of a private conversation have sent a message.
BOTH_WROTE = 3


class ConversationMember(Base):
    """One user in one conversation, with the user's own settings for it.

    The row stays when the user leaves (`left_at`), so that coming back keeps the settings. `version` is taken
    from the user's counter (UserState) whenever something of the user's own changes here.
    """

    __tablename__ = "conversation_members"
    # Lists read "this user's conversations"; `sync` asks each time, mostly to find nothing, for those above a version.
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
    #: In a group, how the latest membership ended: LEFT, KICKED (banned) or LIFTED (the ban is over); null: unknown.
    #: In a private conversation UNSEEN: the other side opened it, and it is not shown before its first message.
    standing: Mapped[str | None] = mapped_column(String(8))
    muted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    read_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    pinned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The user wants no notifications from here.
    is_muted: Mapped[bool] = mapped_column(Boolean, default=False)
    is_marked_unread: Mapped[bool] = mapped_column(Boolean, default=False)
    #: Hidden from the list until a message with a greater seq comes; null: shown.
    hidden_seq: Mapped[int | None] = mapped_column(BigInteger)
    draft: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Of the same counter: what the user may see of requests to join this group changed last then.
    requests_version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
