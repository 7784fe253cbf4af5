"""Converters of path parameters.

A value that the databases cannot store is answered with 404 at once. After werkzeug's ValidationError, the routing
would go on and answer 405.
"""

from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from imapp.schemas.base import MAX_ID
from imapp.schemas.messages import split_message_id


class IdConverter(BaseConverter):
    """`<id:name>`: a positive id that the databases can store; any other value is 404."""

    regex = r"[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        """Return the id."""
        number = int(value)
        if number > MAX_ID:
            raise NotFound
        return number

    def to_url(self, value: int | str) -> str:
        """Return the id as text."""
        return str(int(value))


class MessageIdConverter(BaseConverter):
    """`<message:name>`: the id of a message; any other value is 404."""

    regex = r"[1-9][0-9]{0,18}-[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> str:
        """Return the id, if the databases can store both its numbers."""
        try:
            split_message_id(value)
        except ValueError:
            raise NotFound from None
        return value
