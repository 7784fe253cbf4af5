"""Passwords: argon2id off the event loop, a few at a time, and the rules for new ones.

A hash costs 20 MiB and tens of milliseconds by design. The slots bound what a flood of log-ins can take from
the node; without them it would be a way to stop it.
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

from imapp.database import offload, release
from imapp.errors import BusyError, WeakPasswordError
from imapp.extensions import settings

T = TypeVar("T")

#: Stored where nobody can log in by password; no password has this hash.
NO_PASSWORD = "!"  # noqa: S105 - it is the absence of one

#: Seconds that a log-in waits for a slot before it is told to come back.
_SLOT_SECONDS = 10

#: Characters that a password needs besides the user's own name.
_BESIDES_NAME = 4


def hash_password(password: str) -> str:
    """Hash a password for storing; raises BusyError when no slot comes free in time."""
    return _in_slot(_hasher().hash, _normal(password))


def is_correct(password: str, stored: str | None) -> bool:
    """Tell whether this is the password; without a stored hash it takes the same time and says no.

    Raises BusyError when no slot comes free in time.
    """
    known = stored is not None and stored != NO_PASSWORD
    return _in_slot(_verify, _hasher(), stored if stored and known else _decoy(), _normal(password)) and known


def needs_rehash(stored: str) -> bool:
    """Tell whether a hash was made with other parameters than the settings' present ones."""
    return _hasher().check_needs_rehash(stored)


def require_strong(password: str, *names: str) -> None:
    """Refuse a password that is short, among the most common, or hardly more than the user's own name.

    Raises WeakPasswordError.
    """
    if len(password) < settings.password_min_length:
        raise WeakPasswordError(f"A password has at least {settings.password_min_length} characters.")
    folded = _normal(password).casefold()
    if folded in _common():
        raise WeakPasswordError("This password is among the most common ones.")
    if any(len(folded.replace(name.casefold(), "")) < _BESIDES_NAME for name in names if name):
        raise WeakPasswordError("A password must not be made of your own name.")


def _normal(password: str) -> str:
    """One form for what different keyboards make of the same characters."""
    return unicodedata.normalize("NFC", password)


def _verify(hasher: PasswordHasher, stored: str, password: str) -> bool:
    try:
        return hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _in_slot(fn: Callable[..., T], *args: object) -> T:
    """Run a hash when it is its turn, without holding a database connection meanwhile: others need it."""
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
    """A hash that no password has and that costs as much to check as a real one."""
    salt, digest = (b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (16, 32))
    cost = f"m={settings.argon2_memory_kib},t={settings.argon2_time_cost},p={settings.argon2_parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # takes long to import, and only new passwords need it

    return frozenset(FREQUENCY_LISTS["passwords"])
