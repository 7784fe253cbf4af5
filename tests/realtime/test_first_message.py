"""Two people write to each other for the first time, at the same moment: nobody misses anything."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.device import Device
from tests.support.ports import wait_for
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.slow]


def test_both_get_both_messages_at_all_their_devices(start_server, mariadb):
    """The way to the database is slow: who finds the new conversation has time to be faster than who made it."""
    way = Proxy(mariadb.port)
    url = mariadb.create_database().replace(f":{mariadb.port}/", f":{way.port}/")
    node = start_server(DATABASE_URL=url)
    pairs = [[Device.register(node, name).connect() for name in ("alice", "bob")] for _ in range(6)]
    others = [[one.other_device().connect() for one in pair] for pair in pairs]
    way.delay = 0.02

    senders = [(one, peer) for alice, bob in pairs for one, peer in ((alice, bob), (bob, alice))]
    with ThreadPoolExecutor(len(senders)) as pool:
        list(pool.map(lambda who: who[0].send("hello", to_user_id=who[1].id), senders))

    for device in [device for pair in pairs for device in pair]:  # the sender's own connection has the ack instead
        wait_for(lambda device=device: seqs(device) in ({1}, {2}), 10, f"the other's message, not {seqs(device)}")
    for device in [device for pair in others for device in pair]:
        wait_for(lambda device=device: seqs(device) == {1, 2}, 10, f"both messages, not {seqs(device)}")


def seqs(device) -> set[int]:
    return {said["message"]["seq"] for said in device.received("message_created")}
