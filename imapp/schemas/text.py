"""The rules for text that people read: which characters count as visible, and which ones are not allowed.

Lines are names of things (nicknames, groups, devices): no character in them may be invisible or reorder its neighbours.
Texts are longer (messages, bios): they may contain anything that people paste, unless it affects the text around them.
Usernames are identifiers and have a stricter rule of their own (services/accounts/usernames.py).
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain, groupby
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

#: Maximum combining marks on one letter. Written languages need up to eight; more cover the lines around them.
MAX_MARKS = 8

#: The first character beyond the plane in which `re` finds characters by a table; beyond it, `re` walks along the
#: ranges of a set.
_BEYOND_BASIC = "\U00010000"

#: Every assigned character that is a mark or invisible lies in one of these ranges.
_SCANNED = (range(0x20000), range(0xE0000, 0xE1000))

#: Join letters (Persian, Indic scripts) and emoji: invisible, but names need them.
_JOINERS = frozenset("\u200c\u200d")

#: Invisible characters of any category: fillers of Hangul, the Braille pattern without dots, blanks of hieroglyphs and
#: of music, and the ranges that Unicode reserves for invisible characters.
_EMPTY = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\U00013441\U00013442\u2065") | frozenset(
    map(chr, [*range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE0100), *range(0xE01F0, 0xE1000)])
)

#: A flag of a region: the black flag, letters as tags, the end tag. Anywhere else, tags can hide text.
_REGIONAL_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
_TAG = re.compile("[\U000e0000-\U000e007f]")

#: Control characters, except tab and the line breaks that word processors insert.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")

#: Openers and closers of text in the other direction: embeddings, overrides and isolates.
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CLOSER_OF = {**dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c"), **dict.fromkeys("\u2066\u2067\u2068", "\u2069")}
_LINE_ENDS = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def _is_kept_out_of_lines(char: str) -> bool:
    is_special = unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} or char in _EMPTY
    return is_special and char not in _JOINERS


#: All characters that are a mark or invisible, in the order of their numbers. One scan finds them at start.
_UNSEEN = [
    char
    for char in map(chr, chain(*_SCANNED))
    if unicodedata.category(char) in {"Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Mc", "Me"} or char in _EMPTY
]


def _any_of(chars: Iterable[str]) -> str:
    """Return characters, in the order of their numbers, as ranges for a set in a regular expression."""
    ranges = []
    for _, numbered in groupby(enumerate(map(ord, chars)), key=lambda pair: pair[1] - pair[0]):
        points = [point for _, point in numbered]
        ranges.append(f"{re.escape(chr(points[0]))}-{re.escape(chr(points[-1]))}")
    return "".join(ranges)


_VISIBLE = re.compile(f"[^{_any_of(_UNSEEN)}]")
_MARKS = _any_of(char for char in _UNSEEN if unicodedata.category(char)[0] == "M" and char < _BEYOND_BASIC)
_TOO_MANY_MARKS = re.compile(f"[{_MARKS}]{{{MAX_MARKS + 1}}}")
_NOT_IN_LINES = re.compile(f"[{_any_of(filter(_is_kept_out_of_lines, _UNSEEN))}]")


def has_visible(value: str) -> bool:
    """Return whether the text has a visible character."""
    return _VISIBLE.search(value) is not None


def visible_line(value: str) -> str:
    """Check a name and return it; raises ValueError."""
    if _NOT_IN_LINES.search(_REGIONAL_FLAG.sub("", value)):
        raise ValueError("must be one line without control or invisible characters")
    return _visible(value)


def visible_text(value: str) -> str:
    """Check text of several lines and return it; raises ValueError. ASCII, the usual case, costs one search."""
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    if value.isascii():
        return _visible(value)
    if _TAG.search(value) and _TAG.search(_REGIONAL_FLAG.sub("", value)):
        raise ValueError("must not contain tag characters")
    if _REORDERING.search(value) and not all(map(_is_closed, _LINE_ENDS.split(value))):
        raise ValueError("must close every change of the text direction in the same line")
    return _visible(value)


def optional_text(value: str) -> str:
    """Check text that may be empty and return it; blanks alone become empty. Raises ValueError."""
    return visible_text(value) if value.strip() else ""


def cleaned_line(value: object) -> object:
    """Remove forbidden characters from a name that a program wrote, such as the name of a device."""
    if not isinstance(value, str):
        return value
    return _NOT_IN_LINES.sub("", _TOO_MANY_MARKS.sub("", value)).strip()


def stripped(value: object) -> object:
    """Return text without the blanks around it; other values unchanged."""
    return value.strip() if isinstance(value, str) else value


def _visible(value: str) -> str:
    if not has_visible(value):
        raise ValueError("must contain a visible character")
    if not value.isascii() and _TOO_MANY_MARKS.search(value):
        raise ValueError(f"must have at most {MAX_MARKS} combining marks on one letter")
    return value


def _is_closed(line: str) -> bool:
    """Return whether a line closes every embedding, override and isolate that it opens."""
    waiting: list[str] = []
    for char in _REORDERING.findall(line):
        if char in _CLOSER_OF:
            waiting.append(_CLOSER_OF[char])
        elif waiting and waiting[-1] == char:
            waiting.pop()
    return not waiting


#: A name: one line with a visible character, without blanks around it.
VisibleName = Annotated[str, BeforeValidator(stripped), AfterValidator(visible_line)]

#: A text of any number of lines with a visible character.
VisibleText = Annotated[str, AfterValidator(visible_text)]

#: A text of any number of lines; it is empty or has a visible character.
OptionalText = Annotated[str, AfterValidator(optional_text)]

#: One line that a program wrote: characters that a name must not contain are removed. It may be empty.
CleanedLine = Annotated[str, BeforeValidator(cleaned_line)]
