"""Operators' second factor: the shared secret of their codes, and recovery codes for a lost phone."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, UtcDateTime
from imapp.extensions import Base


class SecondFactor(Base):
    """One operator's TOTP secret. Enrolment is complete when a first valid code sets `confirmed_at`."""

    __tablename__ = "second_factors"
    __table_args__ = TABLE_OPTIONS

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False)
    #: Encrypted with a key derived from SECRET_KEY, so that a copy of the database alone cannot produce codes.
    secret: Mapped[str] = mapped_column(String(255))
    #: Time step of the latest accepted code: codes of this and earlier time steps are refused.
    last_counter: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RecoveryCode(Base):
    """A single-use code that replaces the second factor; using it deletes the row."""

    __tablename__ = "recovery_codes"
    __table_args__ = TABLE_OPTIONS

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False)
    #: SHA-256 (hex). The code has 80 random bits, so a slow hash would add no protection.
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
