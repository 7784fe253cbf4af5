"""Errors of the database driver: which of them a retry cures, and what a client is told.

Refers to MySQL's server error numbers (https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html).
"""

from typing import TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from imapp.errors import AppError, BusyError, UnavailableError

T = TypeVar("T")


#: MySQL errors after which the same transaction may be run again: lock wait timeout, deadlock. If another Galera member
#: changed the same rows first, a member reports it as a deadlock, at any statement and at COMMIT.
_RETRYABLE = frozenset({1205, 1213})

#: MySQL's error when a statement has waited too long for a row locked by another transaction.
_LOCK_TIMEOUT = 1205

#: MySQL errors of a server that takes no writes: a Galera member without its cluster, shutdown, a COMMIT that failed
#: midway, read-only since a failover. A new connection may lead to another server.
WRONG_SERVER = frozenset({1047, 1053, 1180, 1290, 1792, 1836})

#: MySQL errors of a server that takes no further connections: none at all, or none of this account.
_FULL = frozenset({1040, 1203, 1226})


def is_retryable(exc: DBAPIError) -> bool:
    """Return whether the database has rolled back the transaction and it may be run again."""
    return code_of(exc) in _RETRYABLE


def is_lock_timeout(exc: BaseException) -> bool:
    """Return whether the error is a lock wait timeout."""
    return isinstance(exc, DBAPIError) and code_of(exc) == _LOCK_TIMEOUT


def code_of(exc: BaseException | None) -> object:
    """Return MySQL's number of an error raised by the driver or by SQLAlchemy; None for other errors."""
    args: tuple[object, ...] = getattr(getattr(exc, "orig", exc), "args", ())
    return args[0] if args and isinstance(args[0], int) else None


def as_app_error(exc: BaseException) -> AppError | None:
    """Translate the errors of an unavailable or overloaded database for clients; return None for all others."""
    if isinstance(exc, AppError):
        return exc
    if isinstance(exc, PoolTimeoutError) or (isinstance(exc, DBAPIError) and code_of(exc) in _FULL | _RETRYABLE):
        return BusyError(retry_after=1)
    if isinstance(exc, OperationalError) or (isinstance(exc, DBAPIError) and exc.connection_invalidated):
        return UnavailableError(retry_after=1)
    return None
