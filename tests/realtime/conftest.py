"""Raw sockets for the tests of the protocol."""

import pytest

from tests.support.clients.raw import RawSocket


@pytest.fixture
def raw():
    """Provide `raw(server, **options)`, which opens a raw WebSocket; it is closed at the end of the test."""
    opened = []

    def connect(server, **options) -> RawSocket:
        opened.append(RawSocket(server.url, **options))
        return opened[-1]

    yield connect
    for socket in opened:
        socket.close()
