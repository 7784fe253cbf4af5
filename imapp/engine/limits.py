"""Limits on the resources of one connection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that all connections of a server share."""

    #: Maximum size of a message from a client, in bytes.
    payload_bytes: int = 1_000_000
    #: Maximum size of a message from a client before its CONNECT is accepted. None: `payload_bytes`.
    connecting_bytes: int | None = None
    #: A message of a connected client that is larger than `payload_bytes`, but not than this, is read and discarded;
    #: the application gets its beginning as a TooLarge. Beyond, or with 0, the connection is closed.
    discard_bytes: int = 0
    #: Bytes that may wait for a client that does not read them, and seconds for which it may read none of them.
    slow_bytes: int = 8 * 1024 * 1024
    slow_seconds: float = 20.0
    #: Milliseconds that sent data may stay unacknowledged before the kernel drops the connection.
    user_timeout_ms: int = 20_000
    #: Messages of one client that may wait to be handled. Beyond, its socket is not read until all are handled.
    inbox_messages: int = 64
    #: Maximum number of messages of one client that are handled before other clients get their turn.
    batch_messages: int = 16
    #: Maximum number of binary attachments of one packet.
    attachments: int = 10

    def message_bytes(self, *, is_connecting: bool) -> tuple[int, int]:
        """Return (payload_bytes, discard_bytes) for a client; `is_connecting`: its CONNECT is not accepted yet."""
        if is_connecting and self.connecting_bytes is not None:
            return self.connecting_bytes, 0
        return self.payload_bytes, 0 if is_connecting else self.discard_bytes
