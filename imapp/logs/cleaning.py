"""What may stand in a line: no secret, no content of a message, nothing that could forge a line, and not too much."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

#: Characters of one value; it is cut at four times of that before anything else is done with it.
VALUE_CHARS = 1000

#: Of a traceback: characters of a line, lines of its beginning, and of its end, which tells what went wrong.
_LINE_CHARS, _FIRST_LINES, _LAST_LINES = 500, 20, 60

#: Fields of a line, values of a list or object in it, and how deep these are followed.
_FIELDS_MAX, _ITEMS_MAX, _DEPTH_MAX = 50, 20, 3

#: Characters of a name that may tell what the value is.
_NAME_CHARS = 100

HIDDEN = "***"

#: Names whose values are never shown: secrets, and what people write to each other.
_TELLING = re.compile(
    r"passw|passphrase|secret|token|authorization|cookie|credential|api_?key|private_?key|otp|recovery"
    r"|^(content|text|body|payload|bio|draft|data)$",
    re.IGNORECASE,
)

#: Secrets that are known by their looks, and values in the texts of databases and of pydantic.
_SECRETS = (
    (re.compile(r"eyJ[\w-]{6,}(\.[\w-]*){0,2}"), HIDDEN),
    (re.compile(r"\b(Bearer|Basic)(\s+)[^\s\"',]+", re.IGNORECASE), rf"\1\2{HIDDEN}"),
    (re.compile(r"(://[^\s:/@]*):[^\s@]*@"), rf"\1:{HIDDEN}@"),
    (
        re.compile(r"((?:passw|secret|token)\w*[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s&,;]+)", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(r"\b(near|entry|value:) '(?:.{0,500}?' (?=at line|for key|for column)|[^\n]*)", re.DOTALL),
        rf"\1 {HIDDEN} ",
    ),
    (re.compile(r"input_value=(?:.{0,500}?(?=, input_type)|[^\n]*)", re.DOTALL), f"input_value={HIDDEN}"),
)  # fmt: skip


#: What one of them begins with; most values have nothing of it.
_SUSPICIOUS = re.compile(r"eyJ|://|bearer|basic|passw|secret|token|near '|entry '|value", re.IGNORECASE)


def clean(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a line as they may be written."""
    return {name: _value(name, value, 0) for name, value in list(fields.items())[:_FIELDS_MAX]}


def clean_traceback(text: str) -> str:
    """A traceback as it may be written: its lines indented, so that none can pass for an event."""
    lines = [line[:_LINE_CHARS] for line in text.split("\n")]
    if len(lines) > _FIRST_LINES + _LAST_LINES:
        lines[_FIRST_LINES:-_LAST_LINES] = ["[...]"]
    return "\n".join("    " + escaped(line) for line in _without_secrets("\n".join(lines)).split("\n"))


def escaped(text: str) -> str:
    """Nothing but printable characters: no line's end, nothing that drives a terminal or turns the direction."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _escape(char) for char in text])


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _value(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if _is_telling(name[:_NAME_CHARS]):
        return HIDDEN
    if isinstance(value, int):
        return value if value.bit_length() < 64 else "[a large number]"
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth < _DEPTH_MAX:
        return _items(name, value, depth + 1)
    return _text(value if isinstance(value, str) else _as_text(value))


def _as_text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a line is written, whatever it is given
        return f"[a {type(value).__name__} without text]"


@lru_cache(1000)  # nearly all are names in the code
def _is_telling(name: str) -> bool:
    return _TELLING.search(name) is not None


def _items(name: str, value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        items = list(value.items())[:_ITEMS_MAX]
        return {_text(_as_text(key)): _value(_as_text(key), item, depth) for key, item in items}
    return [_value(name, item, depth) for item in list(value)[:_ITEMS_MAX]]


def _text(text: str) -> str:
    text = _without_secrets(text[: 4 * VALUE_CHARS])
    if len(text) > VALUE_CHARS:
        text = f"{text[:VALUE_CHARS]}[...]"
    return escaped(text)


def _without_secrets(text: str) -> str:
    if not _SUSPICIOUS.search(text):
        return text
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
