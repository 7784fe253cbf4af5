"""The one rule for usernames: which may be registered, and which of them are the same.

A username is an identifier: PRECIS (RFC 8265) says which characters it has and how it is compared, UTS 39 of Unicode
which names look alike. New accounts need a name that cannot be taken for another's, for a number or for the server's
own; accounts from before the rule keep theirs. Text that is only shown has another rule (schemas/text.py).
"""

import hashlib
import unicodedata
from functools import lru_cache

from precis_i18n import get_profile

from imapp.errors import InvalidUsernameError

_mapped = get_profile("UsernameCaseMapped")
_preserved = get_profile("UsernameCasePreserved")

#: Names that speak for the server or for everybody; only operators create such accounts, on the command line.
_RESERVED = (
    "abuse", "admin", "administrator", "all", "anonymous", "api", "channel", "everyone", "help", "helpdesk", "here",
    "hostmaster", "imapp", "me", "mod", "moderator", "no-reply", "noreply", "null", "official", "operator",
    "postmaster", "root", "security", "staff", "support", "sysadmin", "system", "undefined", "unknown", "webmaster",
)  # fmt: skip

#: Erased accounts are called so.
_DELETED = "deleted-"

#: Scripts that languages write together: UTS 39, "highly restrictive".
_TOGETHER = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "BOPOMOFO"},
    {"LATIN", "HAN", "HANGUL"},
)  # fmt: skip

#: Digits, punctuation and marks belong to every script.
_NEUTRAL = {"COMMON", "INHERITED"}


def key_of(username: str) -> str:
    """Return what a username is compared by: PRECIS UsernameCaseMapped; raises InvalidUsernameError."""
    try:
        key: str = _mapped.enforce(username)
    except UnicodeEncodeError:
        raise InvalidUsernameError from None
    if not 2 <= len(key) <= 32 or not all(char.isalnum() or char in "._-" or _is_mark(char) for char in key):
        raise InvalidUsernameError
    return key


def shown(username: str) -> str:
    """Return the username as entered, in one form of its characters; only for what has a key."""
    preserved: str = _preserved.enforce(username)
    return preserved


def require_allowed(username: str, *, may_be_reserved: bool = False) -> None:
    """Refuse a new name that could be taken for a number, an option, the server or a name in another script.

    Raises InvalidUsernameError.
    """
    key = key_of(username)
    if not any(char.isalpha() for char in key):
        raise InvalidUsernameError("A username needs a letter.")
    if not key[0].isalnum():
        raise InvalidUsernameError("A username begins with a letter or a digit.")
    scripts = _scripts(key)
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        raise InvalidUsernameError("A username must not mix letters of different scripts.")
    if not may_be_reserved and any(map(_is_reserved, (key, shown(username)))):
        raise InvalidUsernameError("This username is reserved.")


def digest(name: str) -> str:
    """Return what a name has in common with all names that look like it, as a SHA-256.

    It is kept for erased accounts too, so that nobody takes over their name, and does not tell it.
    """
    return hashlib.sha256(_skeleton(name).encode()).hexdigest()


def _is_reserved(name: str) -> bool:
    return _bare(name) in _reserved_bare() or _skeleton(name).startswith(_skeleton(_DELETED))


@lru_cache(maxsize=1)
def _reserved_bare() -> frozenset[str]:
    return frozenset(map(_bare, _RESERVED))


def _bare(name: str) -> str:
    """Return a skeleton without punctuation and with further look-alikes, of which other people's names are full."""
    letters = "".join(char for char in _skeleton(name) if char not in "._-")
    return letters.replace("0", "o").replace("rn", "m")


def _is_mark(char: str) -> bool:
    """Marks belong to letters: without them half of the world's scripts could not be written."""
    return unicodedata.category(char) in {"Mn", "Mc"}


def _scripts(key: str) -> set[str]:
    from confusable_homoglyphs import categories  # a table of its own: only new names need it

    return set(categories.unique_aliases(key)) - _NEUTRAL


def _skeleton(name: str) -> str:
    """Return the same text for all names that look alike (UTS 39, characters that look like one other character)."""
    looks_like = _look_alikes()
    parts = unicodedata.normalize("NFD", name)
    return unicodedata.normalize("NFC", "".join(looks_like.get(char, char) for char in parts)).casefold()


@lru_cache(maxsize=1)
def _look_alikes() -> dict[str, str]:
    """Return the one that stands for each character that has look-alikes; it takes 30 ms."""
    from confusable_homoglyphs.confusables import confusables_data  # 900 kB: only new names need it

    leader: dict[str, str] = {}

    def find(char: str) -> str:
        while (above := leader.get(char, char)) != char:
            char = above
        return char

    for char, others in confusables_data.items():
        for other in (entry["c"] for entry in others):
            if len(char) == len(other) == 1:
                one, two = sorted((find(char), find(other)), key=_rank)
                leader[two] = one
    return {char: find(char) for char in leader}


def _rank(char: str) -> tuple[bool, bool, str]:
    """Small letters of ASCII stand for their look-alikes."""
    return not char.isascii(), not char.islower(), char
