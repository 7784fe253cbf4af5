"""Validation of input over REST and Socket.IO, and the field types that only input has."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema

from imapp.errors import InvalidInputError, MalformedError

ModelT = TypeVar("ModelT", bound=BaseModel)

#: Maximum nesting of a JSON value in input, far below the limit of any parser that reads it later.
MAX_DEPTH = 32


#: RFC 3339 with optional seconds. ISO 8601 is too wide: it also has weeks and times without a zone.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _moment(value: Any) -> datetime:
    try:
        if not _RFC3339.fullmatch(value):
            raise ValueError("not in RFC 3339")
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError("must be a time in RFC 3339, with its zone") from exc


#: Pydantic's message about the length of a text after a check of our own; for a list the message begins with "List".
_TEXT_LENGTH = re.compile(r"^Value should have (at (?:least|most) \d+) items? after validation, not .*$")

#: A part of pydantic's path that is not a field name: `function-before[check(), int]`, `[key]`.
_INTERNAL = re.compile(r"(function-\w+|literal)?\[.*\]")

#: A time that a client sends: a string in RFC 3339 with its zone.
MomentIn = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]

#: Maximum number of entries on a page.
Limit = Annotated[int, Field(ge=1, le=200)]

#: Start of a page: `next_cursor` of the previous page, sent back unchanged.
Cursor = Annotated[str, Field(min_length=1, max_length=300)]


def parse(model: type[ModelT], value: object, *within: str) -> ModelT:
    """Check JSON against a schema; raises InvalidInputError, which names the invalid fields.

    `within`: the path of the value in the whole input.
    """
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        raise _invalid(exc, within) from None


def parse_strings(model: type[ModelT], value: dict[str, str]) -> ModelT:
    """Check a query string against a schema: numbers and booleans are read from their text."""
    try:
        return model.model_validate_strings(value)
    except ValidationError as exc:
        raise _invalid(exc) from None


def require_plain(value: object) -> None:
    """Raise MalformedError for deep nesting and for NUL in a string: no user needs them, databases or clients fail.

    The check goes level by level, so that deep nesting needs no stack.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if any(isinstance(item, str) and "\x00" in item for item in level):
            raise MalformedError("A string contains NUL.")
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise MalformedError("The JSON is nested too deeply.")


def require_exact(value: object, field: str) -> None:
    """Raise InvalidInputError for integers beyond 64 bits, which the parser has changed to inexact floats.

    The check is recursive: call it only for values that are not nested deeply.
    """
    if isinstance(value, float) and not -(2**63) < value < 2**64:
        raise InvalidInputError(fields=[{"field": field, "message": "Whole numbers must fit into 64 bits"}])
    for child in _children(value):
        require_exact(child, field)


def _children(item: object) -> list[object]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else []


def _invalid(exc: ValidationError, within: tuple[str, ...] = ()) -> InvalidInputError:
    """Return an error that names the fields, never their values, which may be secrets."""
    fields = []
    for error in exc.errors(include_url=False, include_context=False, include_input=False)[:20]:
        path = ".".join(str(part) for part in (*within, *error["loc"]) if not _INTERNAL.fullmatch(str(part)))
        message = error["msg"].removeprefix("Value error, ")
        message = _TEXT_LENGTH.sub(r"String should have a length of \1", message)
        fields.append({"field": path[:100], "message": message})
    return InvalidInputError(fields=fields)
