"""Parts of paths."""

from typing import Any

from werkzeug.routing import BaseConverter, ValidationError

from imapp.schemas.base import MAX_ID
from imapp.schemas.messages import split_message_id


class IdConverter(BaseConverter):
    """`<id:name>`: a positive id that the databases can hold; anything else is 404."""

    regex = r"[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        """Read the id."""
        number = int(value)
        if number > MAX_ID:
            raise ValidationError
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
            raise ValidationError from None
        return value
