"""Limits on guessing passwords and codes: only failures count, and a stranger's failures do not lock the owner out.

Each attempt is counted before it is checked, so that concurrent attempts cannot exceed the limit. The count is taken
back if the attempt does not fail. See docs/decisions/0015-accounts.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from imapp.cluster import limits
from imapp.errors import BadCredentialsError, RateLimitedError, WrongCodeError, WrongPasswordError
from imapp.extensions import db
from imapp.models.sessions import DeviceSession
from imapp.models.users import User

_FAILURES = BadCredentialsError, WrongPasswordError, WrongCodeError

#: The name of a limit, and the key by which it counts.
Use = tuple[object, ...]


@contextmanager
def counted(name: str, *key: object) -> Iterator[None]:
    """Count the block as one attempt if it fails; raises RateLimitedError."""
    limits.hit(name, *key)
    with _taken_back_unless_failed([(name, *key)]):
        yield


@contextmanager
def counted_login(door: str, account_key: str, ip: str) -> Iterator[None]:
    """Count the block as one log-in attempt if it fails; raises RateLimitedError.

    `door` names the kind of log-in; each kind is counted separately. The limit per address and the limit per account do
    not apply to addresses from which the account has logged in before: the failures of strangers must not lock the
    owner out.
    """
    address = limits.address_key(ip)
    uses: list[Use] = [("login_per_account_and_address", door, account_key, address)]
    limits.hit(*_named(uses[0]))
    for use in (("login_per_address", address), ("login_per_account", door, account_key)):
        try:
            limits.hit(*_named(use))
        except RateLimitedError:
            if not _is_known(account_key, address):
                raise
        else:
            uses.append(use)
    with _taken_back_unless_failed(uses):
        yield


@contextmanager
def _taken_back_unless_failed(uses: list[Use]) -> Iterator[None]:
    has_failed = False
    try:
        yield
    except _FAILURES:
        has_failed = True
        raise
    finally:
        for use in [] if has_failed else uses:
            limits.take_back(*_named(use))


def _named(use: Use) -> tuple[str, *tuple[object, ...]]:
    name, *key = use
    return str(name), *key


def _is_known(account_key: str, address: str) -> bool:
    """Return whether the account has logged in from this address; takes the same work if the account does not exist."""
    own = select(DeviceSession.ip).join(User, User.id == DeviceSession.user_id).where(User.username_key == account_key)
    return address in {limits.address_key(ip) for ip in db.session.scalars(own)}
