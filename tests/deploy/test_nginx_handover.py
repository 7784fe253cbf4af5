"""No request is lost between Nginx and a node: idle connections, reloads, escaped ids."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.nginx import HANDSHAKE

pytestmark = pytest.mark.slow


def refused_log_in(front):
    """Send a POST on a new connection; return its status, which is 400 if a node has read it."""
    headers = {"Content-Type": "application/json"}
    return requests.post(front.url + "/api/auth/login", data=b"{", headers=headers, timeout=10).status_code


def test_a_post_is_not_sent_on_an_idle_connection_that_the_node_is_closing(nginx, start_nodes):
    nodes = start_nodes(1)
    front = nginx(nodes, edit=lambda text: text.replace("worker_processes auto", "worker_processes 1"))
    first = refused_log_in(front)

    # The node's limit of 2 s for the idle connection passes while the node is busy and the next request is on its way.
    time.sleep(1.7)
    nodes[0].freeze()
    with ThreadPoolExecutor() as pool:
        second = pool.submit(refused_log_in, front)
        time.sleep(0.7)
        nodes[0].thaw()

    assert (first, second.result()) == (400, 400)


def test_reloads_under_load_lose_no_request(nginx, nodes):
    front = nginx(nodes, edit=lambda text: text.replace("worker_shutdown_timeout 30s", "worker_shutdown_timeout 2s"))
    end = time.monotonic() + 6

    def load():
        answers = []
        while time.monotonic() < end:
            answers += [refused_log_in(front), requests.get(front.url + "/actuator/health", timeout=10).status_code]
        return answers

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        for _ in range(3):
            time.sleep(1.5)
            front.reload()
        answers = [answer for one in loads for answer in one.result()]

    assert len(answers) > 100
    assert set(answers) == {400, 200}


def test_a_session_is_found_whether_or_not_its_id_is_escaped(front):
    sids = [json.loads(requests.get(front.url + HANDSHAKE, timeout=10).text[1:])["sid"] for _ in range(6)]

    answers = [
        requests.post(front.url + HANDSHAKE + "&sid=" + sid.replace("~", mark), data="1", timeout=10).status_code
        for sid, mark in zip(sids, ["~", "%7E", "%7e"] * 2, strict=True)
    ]

    assert len({sid.partition("~")[0] for sid in sids}) == 3
    assert answers == [200] * 6
