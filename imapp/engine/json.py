"""orjson for python-socketio: it refuses data that other clients cannot read (NaN, lone surrogates, invalid UTF-8)."""

from typing import Any

import orjson


def dumps(value: object, **_options: object) -> str:
    """Encode as JSON; the options are ignored: python-socketio wants compact separators, and orjson has no others."""
    return orjson.dumps(value).decode()


def loads(text: str | bytes, **_options: object) -> Any:
    """Decode JSON; raises ValueError (orjson.JSONDecodeError)."""
    return orjson.loads(text)
