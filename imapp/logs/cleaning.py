"""Clean log lines: hide secrets and message contents, escape what could forge a line, and limit the size."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

#: Maximum characters of one value. A value is first cut to four times this length, which bounds the work of cleaning.
VALUE_CHARS = 1000

#: Limits of a traceback: characters of a line, lines of its beginning, and of its end, which names the error.
_LINE_CHARS, _FIRST_LINES, _LAST_LINES = 500, 20, 60

#: Maximum number of fields in a line, of items in a list or object, and of nested levels.
_FIELDS_MAX, _ITEMS_MAX, _DEPTH_MAX = 50, 20, 3

#: Number of characters of a field's name that are searched for a sensitive word.
_NAME_CHARS = 100

HIDDEN = "***"

#: Names of fields with values that are never shown: secrets, and texts that users write to each other.
_SENSITIVE = re.compile(
    r"passw|passphrase|secret|token|authorization|cookie|credential|api_?key|private_?key|otp|recovery"
    r"|^(content|text|body|payload|bio|draft|data)$",
    re.IGNORECASE,
)

#: Patterns of secrets, and of the values that error texts of databases and pydantic quote.
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


#: The beginnings of these patterns. Most values contain none of them, so one search is enough.
_SUSPICIOUS = re.compile(r"eyJ|://|bearer|basic|passw|secret|token|near '|entry '|value", re.IGNORECASE)


def clean(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the cleaned fields of a line."""
    return {name: _value(name, value, 0) for name, value in list(fields.items())[:_FIELDS_MAX]}


def clean_traceback(text: str) -> str:
    """Return a cleaned traceback. Its lines are indented, so that none can pass for an event."""
    lines = [line[:_LINE_CHARS] for line in text.split("\n")]
    if len(lines) > _FIRST_LINES + _LAST_LINES:
        lines[_FIRST_LINES:-_LAST_LINES] = ["[...]"]
    return "\n".join("    " + escaped(line) for line in _without_secrets("\n".join(lines)).split("\n"))


def escaped(text: str) -> str:
    """Escape all non-printable characters: line ends, terminal controls, changes of the text direction."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else char.encode("unicode_escape").decode() for char in text])


def _value(name: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | float):
        return value
    if _is_sensitive(name[:_NAME_CHARS]):
        return HIDDEN
    if isinstance(value, int):
        return value if value.bit_length() < 64 else "[a large number]"
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth < _DEPTH_MAX:
        return _items(name, value, depth + 1)
    return _text(value if isinstance(value, str) else _as_text(value))


def _as_text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - no value may prevent a line from being written
        return f"[a {type(value).__name__} without text]"


@lru_cache(1000)  # nearly all names are constants in the code
def _is_sensitive(name: str) -> bool:
    return _SENSITIVE.search(name) is not None


def _items(name: str, value: Iterable[object], depth: int) -> object:
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
