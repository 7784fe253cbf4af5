"""orjson for python-socketio: it refuses what would poison other clients (NaN, lone surrogates, invalid UTF-8)."""

from typing import Any

import orjson


def dumps(value: Any, **_options: Any) -> str:
    """Encode; python-socketio asks for compact separators, which is all that orjson does."""
    return orjson.dumps(value).decode()


def loads(text: str | bytes, **_options: Any) -> Any:
    """Decode; raises ValueError (orjson.JSONDecodeError)."""
    return orjson.loads(text)
