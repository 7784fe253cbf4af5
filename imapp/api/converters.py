"""Parts of paths.

A value that the databases cannot hold is 404 at once: werkzeug's ValidationError would let it go on and answer 405.
"""

from typing import Any

from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

from imapp.schemas.base import MAX_ID
from imapp.schemas.messages import split_message_id


class IdConverter(BaseConverter):
    """`<id:name>`: a positive id that the databases can hold; anything else is 404."""

    regex = r"[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        """Read the id."""
        number = int(value)
        if number > MAX_ID:
            raise NotFound
        return number

    def to_url(self, value: Any) -> str:
        """Write the id."""
        return str(int(value))


class MessageIdConverter(BaseConverter):
    """`<message:name>`: an id of a message; anything else is 404."""

    regex = r"[1-9][0-9]{0,18}-[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> str:
        """Check that both numbers are ones that the databases can hold."""
        try:
            split_message_id(value)
        except ValueError:
            raise NotFound from None
        return value
