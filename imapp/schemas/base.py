"""The base classes and field types that all schemas share."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

ItemT = TypeVar("ItemT")
RowT = TypeVar("RowT")

#: A JSON object, just parsed or ready to be serialized.
JsonObject = dict[str, Any]

#: Largest id: a signed 64-bit integer, the widest that both databases store.
MAX_ID = 2**63 - 1

#: Maximum bytes of a REST request's body, unless its view allows more: checking JSON costs time for each byte.
SMALL_BODY = 16_384


@lru_cache(256)  # all messages of a batch have the same time
def rfc3339(moment: datetime) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds, for example `2026-11-23T19:30:00.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _digits_to_int(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        return int(value)
    return value


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain NUL")
    return value


#: An id: a positive integer. A string of digits is accepted too, because ids are also keys of JSON objects.
Id = Annotated[int, Field(ge=1, le=MAX_ID), BeforeValidator(_digits_to_int)]

#: Cursor of a list that is ordered by ids: a number for the server, an opaque string for clients, like all cursors.
IdCursor = Annotated[Id, WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,18}$"})]

#: The position in a conversation (seq or change) that a client has reached; 0 if it has nothing yet.
Position = Annotated[int, Field(ge=0, le=MAX_ID)]

#: A time on the wire.
Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T19:30:00.123Z"]}),
]

#: Text written by people: anything but NUL (the JSON parser refuses lone surrogates and invalid UTF-8).
Text = Annotated[str, AfterValidator(_without_nul)]


class In(BaseModel):
    """Base class of input from clients: exact types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Out(BaseModel):
    """Base class of output to clients, built from rows or from named fields. The documents are generated from it."""

    model_config = ConfigDict(
        extra="forbid",
        from_attributes=True,
        json_schema_serialization_defaults_required=True,
    )

    def wire(self) -> dict[str, Any]:
        """Return the JSON object."""
        return self.model_dump(mode="json")


class Page(Out, Generic[ItemT]):
    """One page of a list. Send `next_cursor` to get the next page; null means that this is the last one."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Give the class of pages of an item type this class's docstring, because it has none of its own."""
        cls.__doc__ = cls.__doc__ or Page.__doc__

    items: list[ItemT]
    next_cursor: str | None = None

    @classmethod
    def of(cls, found: Sequence[ItemT], limit: int, cursor: Callable[[ItemT], object]) -> Self:
        """Return the page of `found`, which is read one item beyond the page; `cursor` gives that of the last item."""
        items, next_cursor = cut(found, limit, cursor)
        return cls(items=items, next_cursor=next_cursor)


def cut(found: Sequence[RowT], limit: int, cursor: Callable[[RowT], object]) -> tuple[list[RowT], str | None]:
    """Return the rows of a page and the cursor of the next one; None if `found` has no row beyond the page."""
    rows = list(found[:limit])
    return rows, str(cursor(rows[-1])) if len(found) > limit else None
