"""The load test's frames, compared with those that the server reads and writes."""

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from imapp.engine import frames as servers
from imapp.load.frames import CLOSE, TEXT, FrameError, frame, split

SIZES = [0, 1, 125, 126, 65_535, 65_536, 100_000]


@pytest.mark.parametrize("size", SIZES)
def test_the_client_writes_frames_as_in_rfc_6455(size):
    text = "ü" * (size // 2) + "x" * (size % 2)
    server = Connection(ConnectionType.SERVER)

    server.receive_data(frame(text.encode()))

    assert "".join(event.data for event in server.events() if isinstance(event, TextMessage)) == text


@pytest.mark.parametrize("size", SIZES)
def test_the_servers_frames_are_read_wherever_the_network_cuts_them(size):
    payload = b"x" * size
    data = servers.frame(servers.TEXT, payload) + servers.close_frame(1000, "bye")

    for cut in {0, 1, 2, 3, 5, 9, len(data) // 2, len(data) - 1, len(data)}:
        first, rest = split(data[:cut])
        second, rest = split(rest + data[cut:])
        assert [*first, *second] == [(TEXT, payload), (CLOSE, b"\x03\xe8bye")]
        assert rest == b""


@pytest.mark.parametrize("data", [b"\x01\x00", b"\x81\x80abcd"])
def test_parts_of_messages_and_masked_frames_are_refused(data):
    with pytest.raises(FrameError):
        split(data)
