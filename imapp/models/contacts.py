"""Contacts, contact requests and blocks: they decide which users may reach each other.

A removed contact or block stays as a tombstone (`removed_at`), so that `sync` can report the removal to devices.
"""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, BigId, UtcDateTime
from imapp.extensions import Base


class Contact(Base):
    """One direction of a friendship. The opposite direction is a separate row with its own remark."""

    __tablename__ = "contacts"
    __table_args__ = (Index("ix_contacts_user_id_version", "user_id", "version"), TABLE_OPTIONS)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    remark: Mapped[str] = mapped_column(String(50), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(BigInteger)


class ContactRequest(Base):
    """A contact request: one row per direction of a pair, reused when the sender asks again.

    Both users see it in `sync`, each by a version from their own counter.
    """

    __tablename__ = "contact_requests"
    __table_args__ = (
        UniqueConstraint("from_user_id", "to_user_id"),
        Index("ix_contact_requests_from_user_id_version", "from_user_id", "from_version"),
        Index("ix_contact_requests_to_user_id_version", "to_user_id", "to_version"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    from_user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    to_user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    message: Mapped[str] = mapped_column(String(200), default="")
    #: pending, accepted, rejected or cancelled.
    status: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    handled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    from_version: Mapped[int] = mapped_column(BigInteger)
    to_version: Mapped[int] = mapped_column(BigInteger)


class Block(Base):
    """`user_id` has blocked `blocked_id`: no private messages, no contact requests, no presence."""

    __tablename__ = "blocks"
    __table_args__ = (
        Index("ix_blocks_user_id_version", "user_id", "version"),
        # For finding the users that have blocked a given user.
        Index("ix_blocks_blocked_id", "blocked_id"),
        TABLE_OPTIONS,
    )

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    blocked_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(BigInteger)
