"""Operators reach every node from any node, and a code is accepted once in the whole cluster."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pyotp
import pytest
import requests

from tests.support.clients.official import PASSWORD, Device
from tests.support.ports import wait_for


def create_operator(server) -> str:
    name = f"operator{uuid4().hex[:8]}"
    server.flask("im", "create-user", name, "--operator", stdin=f"{PASSWORD}\n")
    return name


def post(server, path, **body):
    return requests.post(f"{server.url}/api/admin/{path}", json={"password": PASSWORD, **body}, timeout=20)


@pytest.fixture
def olga(nodes):
    """Log an operator in at the first node."""
    return Device(nodes[0], post(nodes[0], "login", account=create_operator(nodes[0])).json())


def sessions_of(olga, user):
    return olga.get(f"/api/admin/users/{user.id}/sessions")["items"]


def connections_of(olga, user):
    return [one for session in sessions_of(olga, user) for one in session["connections"]]


def test_connections_on_all_nodes_are_shown_and_closed_from_one_node(nodes, olga, device):
    ada = device(nodes[1], "ada", device={"name": "Phone", "platform": "my phone"}).connect()
    elsewhere = ada.at(nodes[2]).connect()
    wait_for(lambda: len(connections_of(olga, ada)) == 2, what="both connections in Redis")

    shown = sorted((one["node_id"], one["platform"]) for one in connections_of(olga, ada))
    second = next(one for one in connections_of(olga, ada) if one["node_id"] == "node-2")
    answer = olga.rest("DELETE", f"/api/admin/connections/{second['sid']}")

    assert shown == [("node-2", "my phone"), ("node-3", "my phone")]
    assert answer.status_code == 204
    wait_for(lambda: not ada.sio.connected, what="the end of the connection")
    assert elsewhere.sio.connected
    wait_for(lambda: len(connections_of(olga, ada)) == 1, what="its end in Redis")
    elsewhere.close()


def test_disabling_an_account_closes_its_connections_on_every_node(nodes, olga, device):
    ada = device(nodes[1], "ada").connect()
    other = ada.other_device().at(nodes[2]).connect()

    assert olga.rest("POST", f"/api/admin/users/{ada.id}/disable").status_code == 204

    for one in (ada, other):
        one.wait_for("session_ended")
        wait_for(lambda one=one: not one.sio.connected, what="the end of the connection")
    assert ada.rest("GET", "/api/users/me").json()["code"] == "session_revoked"


def test_users_online_on_other_nodes_are_in_the_list(nodes, olga, device):
    ada = device(nodes[1], "ada").connect()

    def is_listed():
        return any(user["id"] == ada.id for user in olga.get("/api/admin/users?limit=100")["items"])

    wait_for(is_listed, what="the user in the list")
    found = olga.get(f"/api/admin/users?query={ada.user['username']}")["items"]
    assert [(user["id"], user["is_online"]) for user in found] == [(ada.id, True)]


def test_draining_an_unknown_node_fails(olga):
    answer = olga.rest("POST", "/api/admin/nodes/node-9/drain")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_drain_by_the_command_line_is_in_the_audit_log(start_nodes):
    first, second = start_nodes(2)
    olga = Device(first, post(first, "login", account=create_operator(first)).json())

    first.flask("im", "drain", "node-2")

    act = olga.get("/api/admin/acts")["items"][0]
    assert (act["action"], act["target"], act["ip"], act["user_id"]) == ("drain_node", "node:node-2", "", None)
    assert act["name"].startswith("cli:")
    second.process.wait(30)


def test_a_code_sent_to_two_nodes_at_once_opens_one_session(start_nodes):
    first, second = start_nodes(2, IM_ADMIN_SECOND_FACTOR="on")
    name = create_operator(first)
    totp = pyotp.TOTP(post(first, "second-factor", account=name).json()["secret"])
    enrolled = int(time.time())
    assert post(first, "second-factor/confirm", account=name, code=totp.at(enrolled)).status_code == 200

    code = totp.at(enrolled + 30)  # the code of the next time step is accepted too
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda node: post(node, "login", account=name, code=code), [first, second] * 3))

    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403, 403, 403]
