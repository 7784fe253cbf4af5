"""Idempotency keys of POST requests: a retry gets the first answer and creates nothing twice.

The key's row is inserted in the transaction that does the work (`database.beside`). So the work is never done while
the key is unknown, whichever node gets the retry or dies.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.transactions import atomic, beside
from imapp.errors import IdempotencyKeyInUseError, IdempotencyKeyReusedError
from imapp.extensions import db
from imapp.models.idempotency import IdempotencyKey

#: How long a key is kept. After that, a request with the same key counts as new.
KEPT = timedelta(hours=24)

#: Maximum size of a kept answer, in bytes: MySQL's BLOB. No POST that creates something has a larger answer.
_BODY_MAX = 65_535


@dataclass(frozen=True)
class KeptAnswer:
    """The stored answer to the first request."""

    status: int
    body: bytes


class Claim:
    """A request with an idempotency key. As a context manager, it inserts the key in the block's first transaction."""

    def __init__(self, user_id: int, key: str, request: bytes) -> None:
        self._id = {"user_id": user_id, "key_hash": _sha256(key.encode())}
        self._request_hash = _sha256(request)

    def find(self) -> KeptAnswer | None:
        """Return the first answer, or None for a new key.

        Raises IdempotencyKeyReusedError if the key belongs to a different request, IdempotencyKeyInUseError while the
        first request is in progress.
        """
        query = select(IdempotencyKey).filter_by(**self._id).where(IdempotencyKey.created_at > expired_before())
        row = db.session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
        if row is None:
            return None
        if row.request_hash != self._request_hash:
            raise IdempotencyKeyReusedError
        if row.status is None:
            raise IdempotencyKeyInUseError(retry_after=1)
        return KeptAnswer(row.status, row.body or b"")

    def __enter__(self) -> Self:
        beside.set(self._insert)
        return self

    def __exit__(self, *_exc: object) -> None:
        beside.set(None)

    def keep(self, status: int, body: bytes) -> None:
        """Store the answer, if the request wrote anything."""
        if len(body) <= _BODY_MAX:
            answer = update(IdempotencyKey).filter_by(**self._id).values(status=status, body=body)
            atomic(lambda session: session.execute(answer))

    def _insert(self, session: Session) -> None:
        """Insert the key; raises IdempotencyKeyInUseError if another request has inserted it."""
        own = IdempotencyKey.user_id == self._id["user_id"]
        session.execute(delete(IdempotencyKey).where(own, IdempotencyKey.created_at <= expired_before()))
        row = {**self._id, "request_hash": self._request_hash, "created_at": now()}
        try:
            session.execute(insert(IdempotencyKey).values(row))
        except IntegrityError:
            raise IdempotencyKeyInUseError(retry_after=1) from None


def expired_before() -> datetime:
    """Return the creation time up to which, inclusive, keys have expired."""
    return now() - KEPT


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
