"""Pages of lists. A list is read one row beyond its page: that row shows that there is another page."""

from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from imapp.errors import InvalidInputError

RowT = TypeVar("RowT", bound=tuple[Any, ...])


def numbered(
    wanted: Select[RowT],
    number: InstrumentedAttribute[int],
    cursor: int | None,
    limit: int,
    *,
    is_descending: bool = False,
) -> Select[RowT]:
    """Select the rows of a page and one more, in the order of `number`. The cursor is the last number before them."""
    if cursor is not None:
        wanted = wanted.where(number < cursor if is_descending else number > cursor)
    return wanted.order_by(number.desc() if is_descending else number).limit(limit + 1)


def read_number(cursor: str | None) -> int | None:
    """Return the number in a cursor; raises InvalidInputError for a text that is no cursor of such a list."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise not_a_cursor()
    return int(cursor)


def not_a_cursor() -> InvalidInputError:
    """Return the error for a cursor that the server has not issued for the list."""
    return InvalidInputError(fields=[{"field": "cursor", "message": "Not a cursor of this list"}])
