"""Helpers that all connections of a process share, and the setup of a socket."""

import _socket
import fcntl
import socket
import sys
import termios
from typing import Any

from imapp.engine.flusher import Flusher
from imapp.engine.limits import Limits
from imapp.engine.timer_wheel import TimerWheel

#: Bytes given to the kernel at a time, and maximum of unsent bytes in the kernel.
CHUNK = 262_144


class SharedState:
    """The event loop, limits, wheel and flusher that all connections of a process share."""

    def __init__(self, hub: Any, limits: Limits, resolution: float) -> None:
        self.hub = hub
        self.loop = hub.loop
        self.limits = limits
        self.wheel = TimerWheel(hub.loop, resolution)
        self.flusher = Flusher(hub.loop)


def next_chunk(out: list[bytes]) -> tuple[bytes, int]:
    """Return the next bytes to send, and the number of queued frames that they contain."""
    if len(out) == 1:
        return out[0], 1
    size = count = 0
    for data in out:
        size += len(data)
        count += 1
        if size >= CHUNK:
            break
    return b"".join(out[:count]), count


def unacknowledged(sock: _socket.socket) -> int:
    """Return the number of bytes that the kernel holds until the client acknowledges them (SIOCOUTQ, tcp(7))."""
    try:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:  # this kind of socket does not support it
        return 0


def tune(sock: _socket.socket, user_timeout_ms: int) -> None:
    """Set TCP options: send without delay, detect a vanished peer, and keep a slow client's data out of the kernel."""
    if sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout_ms)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, CHUNK)
