"""Groups: their settings and the requests to join them."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, UtcDateTime
from imapp.extensions import Base


class Group(Base):
    """The settings of a group. Its id is that of its conversation; changing them locks the conversation's row."""

    __tablename__ = "chat_groups"
    # For counting the groups that a user owns.
    __table_args__ = (Index("ix_chat_groups_owner_id", "owner_id"), TABLE_OPTIONS)

    id: Mapped[int] = mapped_column(BigInteger, ForeignKey("conversations.id"), primary_key=True, autoincrement=False)
    owner_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(100))
    announcement: Mapped[str] = mapped_column(Text, default="")
    description: Mapped[str] = mapped_column(String(500), default="")
    avatar_url: Mapped[str | None] = mapped_column(String(500))
    #: open, approval or invitation.
    join_policy: Mapped[str] = mapped_column(String(12))
    #: Number of members that have not left; changed only while the conversation is locked.
    member_count: Mapped[int] = mapped_column(Integer)
    member_limit: Mapped[int] = mapped_column(Integer)
    is_muted_all: Mapped[bool] = mapped_column(Boolean, default=False)
    dissolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The secret of the group's invitation link; null: there is no link.
    link_token: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class JoinRequest(Base):
    """A user's request to join a group, or an invitation of that user. Asking again reuses the row."""

    __tablename__ = "join_requests"
    # Owners and admins read the pending requests of a group, oldest first.
    __table_args__ = (
        Index("ix_join_requests_group_id_status", "group_id", "status", "created_at"),
        # For the user's own requests, in lists and in `sync`.
        Index("ix_join_requests_user_id_version", "user_id", "version"),
        TABLE_OPTIONS,
    )

    group_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("chat_groups.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    #: The member that proposed or invited the user; null if the user asked.
    inviter_id: Mapped[int | None] = mapped_column(BigInteger)
    message: Mapped[str] = mapped_column(String(200), default="")
    #: pending (owner and admins decide), invited (the user decides), accepted, rejected, declined or cancelled.
    status: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    handled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    handled_by: Mapped[int | None] = mapped_column(BigInteger)
    #: From the counter of the user that wants to join. Owner and admins use ConversationMember.requests_version.
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
