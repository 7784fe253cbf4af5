"""Sockets by hand."""

import pytest

from tests.support.raw import RawSocket


@pytest.fixture
def raw():
    """`raw(server, **options)`: a WebSocket by hand, closed at the end."""
    opened = []

    def connect(server, **options) -> RawSocket:
        opened.append(RawSocket(server, **options))
        return opened[-1]

    yield connect
    for socket in opened:
        socket.close()
