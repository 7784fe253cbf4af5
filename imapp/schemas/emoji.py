"""The rule for emoji: a text that Unicode recommends as one emoji, in its recommended spelling."""

import emoji

#: How the emoji package marks the recommended spelling of an emoji, with all its variation selectors.
_FULLY_QUALIFIED = emoji.STATUS["fully_qualified"]

#: Variation selectors: invisible, they select the text or the picture form of the character before them.
_SELECTORS = str.maketrans("", "", "\ufe0e\ufe0f")

#: The spelling without variation selectors -> the recommended spelling.
_FORMS = {
    text.translate(_SELECTORS): text for text, facts in emoji.EMOJI_DATA.items() if facts["status"] == _FULLY_QUALIFIED
}


def emoji_form(text: str) -> str | None:
    """Return the recommended spelling of an emoji, or None for text that is not exactly one emoji."""
    return _FORMS.get(text.translate(_SELECTORS))
