"""Displayed text: it must contain a visible character, and may not affect the text around it."""

import pytest

from imapp.schemas.contacts import ContactIn
from imapp.schemas.groups import GroupIn
from imapp.schemas.sessions import DeviceIn
from imapp.schemas.text import cleaned_line, optional_text, visible_line, visible_text
from imapp.schemas.users import ProfileIn

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"

INVISIBLE = {
    "nothing": "",
    "blanks": " \u00a0\u3000",
    "line ends": "\n\r\n",
    "zero width space": "\u200b",
    "joiners": "\u200d\u200c",
    "Hangul filler": "\u3164",
    "halfwidth filler": "\uffa0",
    "Braille blank": "\u2800",
    "soft hyphen": "\u00ad",
    "byte order mark": "\ufeff",
    "directional mark": "\u200e",
    "variation selector": "\ufe0f",
    "marks without a letter": "\u0301\u0302",
    "tags": "\U000e0041\U000e0042",
    "blank hieroglyphs": "\U00013441\U00013442",
    "null notehead": "\U0001d159",
    "reserved for invisible characters": "\u2065\ufff0\U000e0080\U000e01f0",
}

ORDINARY = [
    "Ada", "林小雨", "Ünal", "नमस्ते", "ภาษาไทย", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "\u0f67\u0f90\u0fb5\u0fa8\u0fb3\u0fba\u0fbc\u0fbb\u0f82",
    "👩\u200d💻", "❤\ufe0f", "1\ufe0f\u20e3", ENGLAND, "\U0001fae8", "葛\U000e0100", "?",
]  # fmt: skip


@pytest.mark.parametrize("value", INVISIBLE.values(), ids=INVISIBLE)
def test_invisible_text_is_refused(value):
    for check in (visible_line, visible_text):
        with pytest.raises(ValueError, match=r"must "):
            check(value)


@pytest.mark.parametrize("value", ORDINARY)
def test_languages_and_emoji_are_accepted_unchanged(value):
    assert visible_line(value) == visible_text(value) == value


@pytest.mark.parametrize(
    "char", ["\n", "\t", "\x00", "\x1b", "\u202e", "\u2067", "\u2028", "\u200b", "\u200f", "\u3164"]
)
def test_a_name_may_not_contain_invisible_or_direction_characters(char):
    with pytest.raises(ValueError, match="one line"):
        visible_line(f"a{char}b")


def test_a_text_may_contain_lines_tabs_and_both_directions():
    pasted = "one\r\n\ttwo\x0b\u202a+49 30 1234\u202c and \u2067\u05e9\u05dc\u2069\u200f\ufeff"

    assert visible_text(pasted) == pasted


@pytest.mark.parametrize("value", ["a\x00b", "a\x1b[2Jb", "a\x9bb", "ab\u202e", "ab\u2067\nc\u2069", "a\U000e0041"])
def test_characters_that_affect_the_surrounding_text_are_refused(value):
    with pytest.raises(ValueError, match="must "):
        visible_text(value)


def test_too_many_combining_marks_are_refused():
    for check in (visible_line, visible_text):
        with pytest.raises(ValueError, match="marks"):
            check("Zalgo" + "\u0301" * 9)


def test_an_optional_text_may_be_empty_and_blanks_count_as_empty():
    assert optional_text("") == optional_text(" \n ") == ""
    with pytest.raises(ValueError, match="visible"):
        optional_text("\u200b")


def test_forbidden_characters_are_removed_from_a_device_name():
    assert cleaned_line("\u200fAda's\u202e phone\n\u0000 ") == "Ada's phone"
    assert DeviceIn(name="\u200b", platform="\U000e0041web").model_dump() == {"name": "", "platform": "web"}


@pytest.mark.parametrize("make", [
    lambda text: ProfileIn(nickname=text),
    lambda text: ProfileIn(bio=text),
    lambda text: GroupIn(name=text),
    lambda text: GroupIn(name="x", description=text),
    lambda text: ContactIn(remark=text),
])  # fmt: skip
def test_every_schema_with_displayed_text_applies_the_rule(make):
    with pytest.raises(ValueError, match="visible"):
        make("\u200b")
