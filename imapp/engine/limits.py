"""How much one connection may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Shared by all connections of a server."""

    #: Bytes of the largest message that a client may send.
    payload_bytes: int = 1_000_000
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
