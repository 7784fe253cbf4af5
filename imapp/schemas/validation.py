"""How input is checked on both doors, and the field types that only input has."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema

from imapp.errors import InvalidInputError, MalformedError

ModelT = TypeVar("ModelT", bound=BaseModel)

#: Deepest nesting of a JSON value that is taken in, far from any parser's limit when it is written out again.
MAX_DEPTH = 32


#: RFC 3339, of which the seconds may be left out: ISO 8601 also has weeks and times without a zone.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _moment(value: Any) -> datetime:
    try:
        if not _RFC3339.fullmatch(value):
            raise ValueError("not in RFC 3339")
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError("must be a time in RFC 3339, with its zone") from exc


#: What pydantic says of a text's length after a check of our own; of a list it says "List".
_TEXT_LENGTH = re.compile(r"^Value should have (at (?:least|most) \d+) items? after validation, not .*$")

#: A part of pydantic's path that is no name of a field: `function-before[check(), int]`, `[key]`.
_INTERNAL = re.compile(r"(function-\w+|literal)?\[.*\]")

#: A time that a client sends: a string in RFC 3339 with its zone.
MomentIn = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]

#: Length of a page.
Limit = Annotated[int, Field(ge=1, le=200)]

#: Where a list goes on: `next_cursor` of the page before, to be sent back as it came.
Cursor = Annotated[str, Field(min_length=1, max_length=300)]


def parse(model: type[ModelT], value: Any, *within: str) -> ModelT:
    """Check JSON against a schema; raises InvalidInputError that says which fields are wrong.

    `within`: where in the whole input the value stands.
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


def require_plain(value: Any) -> None:
    """Refuse what no text of people needs and databases or clients choke on: deep nesting, NUL in a string.

    Raises MalformedError. It walks level by level, so that depth costs no stack.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if any(isinstance(item, str) and "\x00" in item for item in level):
            raise MalformedError("A string contains NUL.")
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise MalformedError("The JSON is nested too deeply.")


def require_exact(value: Any, field: str) -> None:
    """Refuse whole numbers beyond 64 bits, which the parser has made other numbers of; raises InvalidInputError.

    Only for what is not nested deeply.
    """
    if isinstance(value, float) and not -(2**63) < value < 2**64:
        raise InvalidInputError(fields=[{"field": field, "message": "Whole numbers must fit into 64 bits"}])
    for child in _children(value):
        require_exact(child, field)


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else []


def _invalid(exc: ValidationError, within: tuple[str, ...] = ()) -> InvalidInputError:
    """Name the fields, never the values: they may be secrets."""
    errors = exc.errors(include_url=False, include_context=False, include_input=False)[:20]
    fields = [{"field": _path((*within, *error["loc"])), "message": _words(error["msg"])} for error in errors]
    return InvalidInputError(fields=fields)


def _words(message: str) -> str:
    """Pydantic's message without what only its users understand."""
    return _TEXT_LENGTH.sub(r"String should have a length of \1", message.removeprefix("Value error, "))


def _path(parts: tuple[int | str, ...]) -> str:
    """Join what leads to the field; pydantic also names its own validators and types, such as `[key]` and `str`."""
    return ".".join(str(part) for part in parts if not _INTERNAL.fullmatch(str(part)))[:100]
