"""Clients behind the real Nginx reconnect: WebSockets, with requests that never end, and polling clients.

Nginx counts the sessions that begin as a WebSocket and gives the next one to the node with the fewest; polling sessions
are not in its count. With 30 WebSockets and 9 polling clients, a node's number may differ from its share by 40 %.
"""

import time

import pytest

from tests.support.npm import NpmCrowd
from tests.support.ports import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def crowd(nginx, start_nodes, tmp_path):
    """Provide the nodes, and 30 WebSocket-only and 9 polling clients that Nginx has spread over them."""
    nodes = start_nodes(3)
    front = nginx(nodes)
    nodes[0].flask("im", "load-fixture", "--users", "39", "--out", str(tmp_path / "users"))
    tokens = [line.split()[0] for line in (tmp_path / "users").read_text().splitlines()]
    clients = NpmCrowd(front.url, tokens, websocket=30)
    wait_for(lambda: spread(clients), what="all clients")
    yield nodes, clients
    clients.close()


def spread(clients):
    """Return whether all clients are connected and each of three nodes has its share."""
    return clients.is_whole(3, tolerance=0.4)


def start_again(node):
    """Start a node that has exited."""
    node.start()
    node.wait_until_ready()


def test_all_clients_return_and_spread_after_a_kill_and_a_rolling_restart(crowd):
    nodes, clients = crowd

    nodes[1].kill()
    wait_for(lambda: clients.state()["connected"] == 39, what="the return to the remaining nodes")
    start_again(nodes[1])
    wait_for(lambda: spread(clients), what="an even spread after the kill")
    for node in nodes:
        node.stop()
        start_again(node)

    wait_for(lambda: spread(clients), what="an even spread after the restarts")
    time.sleep(5)
    assert spread(clients), clients.state()
