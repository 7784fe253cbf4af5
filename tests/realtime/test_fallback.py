"""The fall-back transport, IM_TRANSPORT=stock, which other tests use only if IM_TEST_TRANSPORT says so."""

import pytest

from tests.support import apps
from tests.support.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stock(tmp_path_factory, sqlite_template):
    """Run one node on python-engineio's transports for all tests of this file."""
    folder = tmp_path_factory.mktemp("stock")
    apps.copy_of(sqlite_template, folder / "data")
    server = Server(folder, IM_TRANSPORT="stock", IM_MAX_PAYLOAD_BYTES="100000")
    yield server
    server.stop()


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids="+".join)
def test_messages_and_acks_pass_on_each_transport(stock, device, transports):
    alice = device(stock, "alice").connect(transports=transports)
    bob = device(stock, "bob").connect(transports=transports)

    acks = [alice.send(f"hello {number}", to_user_id=bob.id) for number in range(5)]

    bob.wait_for("message_created", lambda payload: payload["message"]["content"]["text"] == "hello 4")
    assert bob.received("message_created") == [{"message": ack["message"]} for ack in acks]


@pytest.mark.parametrize("text", ["4" + "x" * 200_000, "42not json"], ids=["too large", "malformed"])
def test_an_invalid_packet_closes_the_socket_without_a_traceback(stock, device, raw, text):
    one = raw(stock)
    assert one.connect({"token": device(stock).tokens["access_token"]}).startswith("40")

    one.send(text)

    assert one.is_closed()
    assert "Traceback" not in stock.log
