"""Password hashing (argon2id, off the event loop, a few at a time), and the rules for new passwords.

A hash costs 20 MiB and tens of milliseconds by design. The slots bound what a flood of log-ins can take from
the node; without them, such a flood could stop the node.
"""

import secrets
import threading
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from imapp.database.offload import offload
from imapp.database.transactions import release
from imapp.errors import BusyError, WeakPasswordError
from imapp.extensions import settings

T = TypeVar("T")

#: Stored for accounts without log-in by password; no password has this hash.
NO_PASSWORD = "!"  # noqa: S105 - not a password

#: Seconds that a log-in waits for a slot before it is refused as busy.
_SLOT_SECONDS = 10

#: Minimum number of characters of a password that are not part of the user's own name.
_BESIDES_NAME = 4


def hash_password(password: str) -> str:
    """Hash a password for storage; raises BusyError if no slot becomes free in time."""
    return _in_slot(_hasher().hash, _normal(password))


def is_correct(password: str, stored: str | None) -> bool:
    """Return whether the password matches the stored hash; without one, return False after the same time.

    Raises BusyError if no slot becomes free in time.
    """
    known = stored is not None and stored != NO_PASSWORD
    return _in_slot(_verify, _hasher(), stored if stored and known else _decoy(), _normal(password)) and known


def needs_rehash(stored: str) -> bool:
    """Return whether a hash was made with parameters other than those of the current settings."""
    return _hasher().check_needs_rehash(stored)


def require_strong(password: str, *names: str) -> None:
    """Raise WeakPasswordError if a password is short, among the most common, or hardly more than the user's name."""
    if len(password) < settings.password_min_length:
        raise WeakPasswordError(f"A password must have at least {settings.password_min_length} characters.")
    folded = _normal(password).casefold()
    if folded in _common():
        raise WeakPasswordError("This password is among the most common ones.")
    if any(len(folded.replace(name.casefold(), "")) < _BESIDES_NAME for name in names if name):
        raise WeakPasswordError("A password must not consist of your own name.")


def _normal(password: str) -> str:
    """Return one form (NFC) for characters that different keyboards encode differently."""
    return unicodedata.normalize("NFC", password)


def _verify(hasher: PasswordHasher, stored: str, password: str) -> bool:
    try:
        return hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _in_slot(fn: Callable[..., T], *args: object) -> T:
    """Run a hash in a slot, and hold no database connection meanwhile: other requests need it."""
    release()
    with _slot():
        return offload(fn, *args)


@contextmanager
def _slot() -> Iterator[None]:
    slots = _slots(settings.argon2_concurrency)
    if not slots.acquire(timeout=_SLOT_SECONDS):
        raise BusyError("The server is busy. Try again later.", retry_after=1)
    try:
        yield
    finally:
        slots.release()


@lru_cache(maxsize=8)
def _slots(count: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(count)


def _hasher() -> PasswordHasher:
    return _make_hasher(settings.argon2_time_cost, settings.argon2_memory_kib, settings.argon2_parallelism)


@lru_cache(maxsize=8)
def _make_hasher(time_cost: int, memory_kib: int, parallelism: int) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)


def _decoy() -> str:
    """Return a hash that no password has and that costs as much to check as a real one."""
    salt, digest = (b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (16, 32))
    cost = f"m={settings.argon2_memory_kib},t={settings.argon2_time_cost},p={settings.argon2_parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # takes long to import, and only new passwords need it

    return frozenset(FREQUENCY_LISTS["passwords"])
