"""The rules for usernames: which ones may be registered, and which ones are the same.

A username is an identifier. PRECIS (RFC 8265) defines its characters and its comparison, UTS 39 of Unicode defines
which names look alike. A new account needs a name that cannot be mistaken for another user's, for a number or for the
server's own. Accounts older than these rules keep their names. Displayed text has other rules (schemas/text.py).
"""

import hashlib
import unicodedata
from functools import lru_cache

from precis_i18n import get_profile

from imapp.errors import InvalidUsernameError

_mapped = get_profile("UsernameCaseMapped")
_preserved = get_profile("UsernameCasePreserved")

#: Names that seem to speak for the server or for everybody. Only operators create such accounts, on the command line.
_RESERVED = (
    "abuse", "admin", "administrator", "all", "anonymous", "api", "channel", "everyone", "help", "helpdesk", "here",
    "hostmaster", "imapp", "me", "mod", "moderator", "no-reply", "noreply", "null", "official", "operator",
    "postmaster", "root", "security", "staff", "support", "sysadmin", "system", "undefined", "unknown", "webmaster",
)  # fmt: skip

#: Prefix of the usernames of erased accounts.
_DELETED = "deleted-"

#: Scripts that languages write together: UTS 39, "highly restrictive".
_TOGETHER = (
    {"LATIN", "HAN", "HIRAGANA", "KATAKANA"},
    {"LATIN", "HAN", "BOPOMOFO"},
    {"LATIN", "HAN", "HANGUL"},
)  # fmt: skip

#: Unicode's categories of marks. Marks belong to letters: half of the world's scripts need them.
_MARKS = {"Mn", "Mc"}

#: Digits, punctuation and marks belong to every script.
_NEUTRAL = {"COMMON", "INHERITED"}


def key_of(username: str) -> str:
    """Return the form in which usernames are compared: PRECIS UsernameCaseMapped; raises InvalidUsernameError."""
    try:
        key: str = _mapped.enforce(username)
    except UnicodeEncodeError:
        raise InvalidUsernameError from None
    is_fit = all(char.isalnum() or char in "._-" or unicodedata.category(char) in _MARKS for char in key)
    if not 2 <= len(key) <= 32 or not is_fit:
        raise InvalidUsernameError
    return key


def shown(username: str) -> str:
    """Return the username as entered, with its characters normalized; only for a username that has a key."""
    preserved: str = _preserved.enforce(username)
    return preserved


def require_allowed(username: str, *, may_be_reserved: bool = False) -> None:
    """Refuse a new name that could be mistaken for a number, an option, the server or a name in another script.

    Raises InvalidUsernameError.
    """
    key = key_of(username)
    if not any(char.isalpha() for char in key):
        raise InvalidUsernameError("A username must contain a letter.")
    if not key[0].isalnum():
        raise InvalidUsernameError("A username must begin with a letter or a digit.")
    from confusable_homoglyphs import categories  # loads a table: only new names need it

    scripts = set(categories.unique_aliases(key)) - _NEUTRAL
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        raise InvalidUsernameError("A username must not mix letters of different scripts.")
    if not may_be_reserved and any(map(_is_reserved, (key, shown(username)))):
        raise InvalidUsernameError("This username is reserved.")


def digest(name: str) -> str:
    """Return a SHA-256 that is the same for all names that look alike.

    It is kept for erased accounts too, so that nobody takes over their names. It does not reveal the name.
    """
    return hashlib.sha256(_skeleton(name).encode()).hexdigest()


def _is_reserved(name: str) -> bool:
    return _bare(name) in _reserved_bare() or _skeleton(name).startswith(_skeleton(_DELETED))


@lru_cache(maxsize=1)
def _reserved_bare() -> frozenset[str]:
    return frozenset(map(_bare, _RESERVED))


def _bare(name: str) -> str:
    """Return the skeleton without punctuation and with further look-alikes replaced, for reserved names only.

    These look-alikes are common in ordinary names.
    """
    letters = "".join(char for char in _skeleton(name) if char not in "._-")
    return letters.replace("0", "o").replace("rn", "m")


def _skeleton(name: str) -> str:
    """Return the same text for all names that look alike (UTS 39, only look-alikes that are single characters)."""
    looks_like = _look_alikes()
    parts = unicodedata.normalize("NFD", name)
    return unicodedata.normalize("NFC", "".join(looks_like.get(char, char) for char in parts)).casefold()


@lru_cache(maxsize=1)
def _look_alikes() -> dict[str, str]:
    """Return the representative of each character that has look-alikes. This takes 30 ms."""
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
    """Return the sort key by which lower-case ASCII letters become the representatives of their look-alikes."""
    return not char.isascii(), not char.islower(), char
