"""How often a password or a code may be guessed: only failures count, and a stranger's do not lock the owner out.

Each attempt is counted before it is checked, so that many at one moment are not more than allowed, and taken back when
it was right. See docs/decisions/0015-accounts.md.
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

#: A limit's name and what it counts by.
Use = tuple[object, ...]


@contextmanager
def counted(name: str, *key: object) -> Iterator[None]:
    """Count what happens within as an attempt if it fails; raises RateLimitedError."""
    limits.hit(name, *key)
    with _taken_back_unless_failed([(name, *key)]):
        yield


@contextmanager
def counted_login(door: str, account_key: str, ip: str) -> Iterator[None]:
    """Count what happens within as a log-in if it fails; raises RateLimitedError.

    `door`: which log-in, each has counts of its own. The limits over all accounts and over all addresses let known
    addresses of the account through: the owner is there already, and what others do elsewhere must not matter.
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
    """Tell whether the account has logged in from this address; the same work for an account that does not exist."""
    own = select(DeviceSession.ip).join(User, User.id == DeviceSession.user_id).where(User.username_key == account_key)
    return address in {limits.address_key(ip) for ip in db.session.scalars(own)}
