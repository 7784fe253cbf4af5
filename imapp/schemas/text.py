"""The one rule for text that people read: what counts as visible, and what no text may contain.

Lines are names of things (nicknames, groups, devices): no character in them may be invisible or reorder its neighbours.
Texts are longer (messages, bios): they may hold what people paste, but not what spills over into the text around them.
Usernames are identifiers and have a stricter rule of their own (services/usernames.py).
"""

import re
import unicodedata
from collections.abc import Callable
from itertools import groupby
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

#: The most combining marks on one letter. Written languages need up to eight; more paint over the lines around them.
MAX_MARKS = 8

#: The planes whose characters `re` finds by a table; beyond, it walks along the ranges of a set.
_BASIC = (range(0x10000),)

#: Every assigned character that is a mark or invisible lies in one of these ranges.
_SCANNED = (range(0x20000), range(0xE0000, 0xE1000))

#: Join letters (Persian, Indic scripts) and emoji: invisible, but names need them.
_JOINERS = frozenset("\u200c\u200d")

#: Drawn as nothing, whatever their category: fillers of Hangul, the Braille pattern without dots, blanks of hieroglyphs
#: and of music, and what Unicode keeps free for invisible characters.
_EMPTY = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\U00013441\U00013442\u2065") | frozenset(
    map(chr, [*range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE0100), *range(0xE01F0, 0xE1000)])
)

#: A flag of a region: the black flag, letters as tags, the end tag. Tags anywhere else hide text.
_REGIONAL_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
_TAG = re.compile("[\U000e0000-\U000e007f]")

#: Control characters besides tab and the line breaks that word processors leave.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")

#: Openers and closers of text that runs the other way: embeddings and overrides, isolates.
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CLOSER_OF = {**dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c"), **dict.fromkeys("\u2066\u2067\u2068", "\u2069")}
_LINE_ENDS = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def _any_of(is_wanted: Callable[[str], bool], spans: tuple[range, ...] = _SCANNED) -> str:
    """Return the ranges of a regular expression's set: the characters that are wanted."""
    ranges = []
    for span in spans:
        for wanted, points in groupby(span, key=lambda point: is_wanted(chr(point))):
            found = list(points)
            if wanted:
                ranges.append(f"{re.escape(chr(found[0]))}-{re.escape(chr(found[-1]))}")
    return "".join(ranges)


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Mc", "Me"} or char in _EMPTY


def _is_kept_out_of_lines(char: str) -> bool:
    is_special = unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} or char in _EMPTY
    return is_special and char not in _JOINERS


_VISIBLE = re.compile(f"[^{_any_of(_is_invisible)}]")
_TOO_MANY_MARKS = re.compile(f"[{_any_of(_is_mark, _BASIC)}]{{{MAX_MARKS + 1}}}")
_NOT_IN_LINES = re.compile(f"[{_any_of(_is_kept_out_of_lines)}]")


def has_visible(value: str) -> bool:
    """Tell whether a reader would see anything of this text."""
    return _VISIBLE.search(value) is not None


def visible_line(value: str) -> str:
    """Check the name of something; raises ValueError."""
    if _NOT_IN_LINES.search(_REGIONAL_FLAG.sub("", value)):
        raise ValueError("must be one line without control or invisible characters")
    return _visible(value)


def visible_text(value: str) -> str:
    """Check text of several lines; raises ValueError. Plain ASCII, the most of what is sent, costs one search."""
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    if value.isascii():
        return _visible(value)
    if _TAG.search(value) and _TAG.search(_REGIONAL_FLAG.sub("", value)):
        raise ValueError("must not contain tag characters")
    if _REORDERING.search(value) and not all(map(_is_closed, _LINE_ENDS.split(value))):
        raise ValueError("must close in each line what reorders its text")
    return _visible(value)


def optional_text(value: str) -> str:
    """Check text that may be empty; blanks alone count as empty. Raises ValueError."""
    return visible_text(value) if value.strip() else ""


def cleaned_line(value: Any) -> Any:
    """Drop what a name must not contain, where a program and not a person wrote it: the name of a device."""
    if not isinstance(value, str):
        return value
    return _NOT_IN_LINES.sub("", _TOO_MANY_MARKS.sub("", value)).strip()


def stripped(value: Any) -> Any:
    """Return text without the blanks around it."""
    return value.strip() if isinstance(value, str) else value


def _visible(value: str) -> str:
    if not has_visible(value):
        raise ValueError("must contain a visible character")
    if not value.isascii() and _TOO_MANY_MARKS.search(value):
        raise ValueError("must not pile so many combining marks on one letter")
    return value


def _is_closed(line: str) -> bool:
    """Tell whether every embedding, override and isolate of a line ends in it."""
    waiting: list[str] = []
    for char in _REORDERING.findall(line):
        if char in _CLOSER_OF:
            waiting.append(_CLOSER_OF[char])
        elif waiting and waiting[-1] == char:
            waiting.pop()
    return not waiting


#: The name of something: one line with something to see, without blanks around it.
VisibleName = Annotated[str, BeforeValidator(stripped), AfterValidator(visible_line)]

#: A text of any number of lines with something to see.
VisibleText = Annotated[str, AfterValidator(visible_text)]

#: The same, or nothing.
OptionalText = Annotated[str, AfterValidator(optional_text)]

#: One line that a program wrote: what a name must not contain is dropped. It may be empty.
CleanedLine = Annotated[str, BeforeValidator(cleaned_line)]
