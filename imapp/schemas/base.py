"""The base classes and field types that all schemas share."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

ItemT = TypeVar("ItemT")

#: Largest id: a signed 64-bit integer, the widest that both databases store.
MAX_ID = 2**63 - 1

#: Bytes of a REST request's body, unless its view says that it takes more: checking JSON costs time for each of them.
SMALL_BODY = 16_384


def now() -> datetime:
    """The present time in UTC, cut to milliseconds, as it will be read back."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@lru_cache(256)  # all messages of a batch have one moment
def rfc3339(moment: datetime) -> str:
    """Format as RFC 3339 in UTC with milliseconds, for example `2026-11-23T19:30:00.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _digits_to_int(value: Any) -> Any:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        return int(value)
    return value


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain NUL")
    return value


#: An id: a positive integer; a string of digits is taken too, because ids travel as JSON object keys.
Id = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(_digits_to_int)]

#: Where a list that is ordered by ids goes on: a number to the server, to clients an opaque string like all cursors.
IdCursor = Annotated[Id, WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,18}$"})]

#: A position in a conversation (seq or change) that a client already has; 0 is "nothing yet".
Position = Annotated[int, Field(ge=0, le=MAX_ID)]

#: A time on the wire.
Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T19:30:00.123Z"]}),
]

#: Text of people: anything but NUL (lone surrogates and invalid UTF-8 are refused by the JSON parser).
Text = Annotated[str, AfterValidator(_without_nul)]


class In(BaseModel):
    """What a client sends: exact types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Out(BaseModel):
    """What the server sends; built from rows or by name, and the documents are generated from it."""

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        json_schema_serialization_defaults_required=True,
    )

    def wire(self) -> dict[str, Any]:
        """The JSON object."""
        return self.model_dump(mode="json")


class Page(Out, Generic[ItemT]):
    """One page of a list; `next_cursor` asks for the following one, null means that this was the last."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Pages of one kind of items are classes without a docstring of their own."""
        cls.__doc__ = cls.__doc__ or Page.__doc__

    items: list[ItemT]
    next_cursor: str | None = None
