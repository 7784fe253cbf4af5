"""Invitation codes, with which new users register if registration is by invitation."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, BigId, UtcDateTime
from imapp.extensions import Base


class Invitation(Base):
    """One code. It is valid until it has been used `max_uses` times, has expired or has been revoked."""

    __tablename__ = "invitations"
    __table_args__ = TABLE_OPTIONS

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    #: SHA-256 (hex). The code has 80 random bits, so a slow hash would add no protection.
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    #: The operator's account; null for the command line. No foreign key: the code outlives an erased account.
    created_by: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    max_uses: Mapped[int] = mapped_column(BigInteger)
    uses: Mapped[int] = mapped_column(BigInteger, default=0)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
