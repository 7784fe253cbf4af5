"""Idempotency keys: a client repeats a POST under the same key if it did not receive the answer."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from imapp.database.types import TABLE_OPTIONS, UtcDateTime
from imapp.extensions import Base


class IdempotencyKey(Base):
    """One request that was carried out, inserted in the transaction that made its changes.

    A second transaction stores the answer. If the node dies between the two, `status` and `body` stay null.
    """

    __tablename__ = "idempotency_keys"
    # For deleting old rows.
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"), TABLE_OPTIONS)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), primary_key=True, autoincrement=False)
    #: SHA-256 of the key.
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: SHA-256 of the request: method, path and body.
    request_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[int | None] = mapped_column(Integer)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
