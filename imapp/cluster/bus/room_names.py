"""The rooms of this product, and the one Socket.IO namespace that they are in."""

#: The only Socket.IO namespace.
NAMESPACE = "/"


def user_room(user_id: int) -> str:
    """Return the room of all devices of a user."""
    return f"user:{user_id}"


def conversation_room(conversation_id: int) -> str:
    """Return the room of all devices of all members of a conversation."""
    return f"conv:{conversation_id}"


def session_room(session_id: int) -> str:
    """Return the room of the connections of one login."""
    return f"session:{session_id}"
