"""Keys by which clients repeat a POST whose answer they did not get."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.columns import TABLE_OPTIONS, UtcDateTime
from imapp.extensions import Base


class IdempotencyKey(Base):
    """One request that was carried out, inserted in the transaction of what it made.

    The answer follows in a second transaction; a node that dies between the two leaves it empty.
    """

    __tablename__ = "idempotency_keys"
    # Old rows are deleted by their age.
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"), TABLE_OPTIONS)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False)
    #: SHA-256 of the key, and of the request: method, path and body.
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[int | None] = mapped_column(Integer)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
