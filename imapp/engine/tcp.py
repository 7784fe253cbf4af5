"""TCP options of a client's socket (tcp(7)), and the bytes that its client has not acknowledged."""

import _socket
import fcntl
import socket
import sys
import termios

#: Maximum of unsent bytes in the kernel.
UNSENT_BYTES_MAX = 262_144


def set_options(sock: _socket.socket, user_timeout_ms: int) -> None:
    """Send without delay, detect a vanished client, and keep a slow client's data out of the kernel."""
    if sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout_ms)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)


def unacknowledged_bytes(sock: _socket.socket) -> int:
    """Return the number of bytes that the kernel holds until the client acknowledges them (SIOCOUTQ)."""
    try:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:  # this kind of socket does not support it
        return 0
