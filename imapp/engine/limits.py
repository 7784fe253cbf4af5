"""How much one connection may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Shared by all connections of a server."""

    #: Bytes of the largest message that a client may send.
    payload_bytes: int = 1_000_000
    #: The same for a client that has not been let in yet. None: as above.
    stranger_bytes: int | None = None
    #: A message of a client that was let in and that is larger than `payload_bytes` is read up to these bytes and
    #: thrown away: the application is told how it began, as a TooLarge. 0, or a larger one: the connection is closed.
    discard_bytes: int = 0
    #: Bytes that may wait for a client that does not take them, and seconds for which it may take none of them.
    slow_bytes: int = 8 * 1024 * 1024
    slow_seconds: float = 20.0
    #: Milliseconds that sent data may stay unacknowledged before the kernel drops the connection.
    user_timeout_ms: int = 20_000
    #: Messages of one client that may wait for their turn; beyond, its socket is not read.
    inbox_messages: int = 64
    #: Messages of one client that are handled in one turn.
    turn_messages: int = 16
    #: Binary attachments of one packet.
    attachments: int = 10

    def of(self, *, is_joining: bool) -> tuple[int, int]:
        """Return (payload_bytes, discard_bytes) of a client that is, or is not, still to be let in."""
        if is_joining and self.stranger_bytes is not None:
            return self.stranger_bytes, 0
        return self.payload_bytes, 0 if is_joining else self.discard_bytes
