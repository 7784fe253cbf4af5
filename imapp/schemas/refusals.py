"""The error codes of each REST operation and each Socket.IO command.

tests/support/raised.py writes refusals.json from the code; a test compares the two.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from imapp.errors import AppError


@cache
def _written() -> dict[str, list[str]]:
    codes: dict[str, list[str]] = orjson.loads(Path(__file__).with_name("refusals.json").read_bytes())
    return codes


def codes_of(name: str) -> set[str]:
    """Return the codes of an operation (`messages.send_message`) or a command (`send_message`)."""
    return set(_written().get(name, ()))


def all_errors() -> dict[str, type[AppError]]:
    """Return every error class by its code, in the order of declaration."""
    errors: list[type[AppError]] = [AppError, *_subclasses(AppError)]
    return {error.code: error for error in errors}


def _subclasses(base: type[AppError]) -> Iterator[type[AppError]]:
    for error in base.__subclasses__():
        yield error
        yield from _subclasses(error)


def list_codes(schema: dict[str, Any]) -> None:
    """Add the codes and their meanings to the schema of a field `code`."""
    errors = all_errors()
    schema["x-extensible-enum"] = list(errors)
    schema["x-enum-descriptions"] = [error.message for error in errors.values()]
