"""Operators' second factor: the shared secret behind their codes, and what replaces a lost phone."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.columns import TABLE_OPTIONS, UtcDateTime
from imapp.extensions import Base


class SecondFactor(Base):
    """One operator's TOTP secret. Until `confirmed_at` is set by a first code, enrolment has only begun."""

    __tablename__ = "second_factors"
    __table_args__ = TABLE_OPTIONS

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False)
    #: Encrypted with a key made of SECRET_KEY: whoever has only the database can make no code.
    secret: Mapped[str] = mapped_column(String(255))
    #: The time step of the latest code that was accepted: neither it nor an older one counts again.
    last_counter: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RecoveryCode(Base):
    """A code that stands for the second factor once; using it deletes the row."""

    __tablename__ = "recovery_codes"
    __table_args__ = TABLE_OPTIONS

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False)
    #: SHA-256 (hex); the code has 80 random bits, so that a slow hash would protect nothing.
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
