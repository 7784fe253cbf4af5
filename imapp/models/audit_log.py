"""The log of administrative acts."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, BigId, UtcDateTime
from imapp.extensions import Base


class AdminAct(Base):
    """One act: operator, action, target, time, address. No foreign keys: the row outlives account and target."""

    __tablename__ = "admin_acts"
    __table_args__ = (
        # For deleting acts older than the settings allow.
        Index("ix_admin_acts_at", "at"),
        TABLE_OPTIONS,
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The operator's account; null for the command line.
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The operator's username, or `cli:` and the account of the machine.
    name: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(32))
    target: Mapped[str] = mapped_column(String(128))
    #: The caller's address; empty for the command line.
    ip: Mapped[str] = mapped_column(String(45))
