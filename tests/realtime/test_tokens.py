"""A token on a live connection: the client is warned, and renews it or is closed with a code (drills S1, S2)."""

import time

import pytest

from tests.support.clients.official import PASSWORD


@pytest.fixture
def node(start_server):
    """Run a node with tokens that live five seconds and warnings three seconds before the end."""
    return start_server(IM_ACCESS_TOKEN_SECONDS="5", IM_TOKEN_EXPIRING_LEAD_SECONDS="3")


def test_the_client_is_warned_and_then_closed_with_a_code(node, device):
    alice = device(node).connect()

    warning = alice.wait_for("token_expiring")
    ended = alice.wait_for("session_ended")

    assert warning["expires_at"].endswith("Z")
    assert ended == {"code": "token_expired"}
    deadline = time.monotonic() + 5
    while alice.sio.connected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alice.sio.connected


def test_a_client_that_renews_its_token_over_the_socket_stays(node, device):
    alice = device(node).connect()
    alice.wait_for("token_expiring")

    fresh = alice.post("/api/auth/refresh", {"refresh_token": alice.tokens["refresh_token"]})
    ack = alice.call("renew_token", {"token": fresh["access_token"]})
    time.sleep(4)

    assert ack["ok"]
    assert alice.received("session_ended") == []
    assert alice.call("ping_server", {})["ok"]


def test_renewing_with_the_token_of_another_login_fails(server, device):
    alice, mallory = device(server).connect(), device(server)

    ack = alice.call("renew_token", {"token": mallory.tokens["access_token"]})

    assert ack["error"]["code"] == "invalid_token"


@pytest.mark.parametrize("auth", [None, {}, {"token": None}, {"token": "x"}, {"token": {"a": 1}}, {"token": ""}])
def test_a_connect_without_a_valid_token_is_refused_with_a_code(server, raw, auth):
    answer = raw(server).connect(auth)

    assert answer.startswith("44")
    assert '"message"' in answer
    assert '"code":"invalid_token"' in answer.replace(" ", "")


def test_a_client_that_states_another_user_than_its_tokens_is_refused(server, raw, device):
    alice = device(server)
    token, own = alice.tokens["access_token"], alice.tokens["user"]["id"]

    refused = raw(server).connect({"token": token, "user_id": own + 1})
    let_in = raw(server).connect({"token": token, "user_id": own})

    assert refused.startswith("44")
    assert "invalid_token" in refused
    assert let_in.startswith("40")


def test_a_token_in_the_query_is_ignored(server, device, raw):
    alice = device(server)
    socket = raw(server)

    socket.send("40/?token=" + alice.tokens["access_token"] + ",")

    assert socket.receive().startswith("44")


def closes(one) -> bool:
    deadline = time.monotonic() + 5
    while one.sio.connected and time.monotonic() < deadline:
        time.sleep(0.02)
    return not one.sio.connected


def test_logging_out_closes_the_sockets_of_this_login_only(server, device):
    phone = device(server).connect()
    laptop = phone.other_device().connect()

    phone.post("/api/auth/logout")

    assert phone.wait_for("session_ended") == {"code": "session_revoked"}
    assert closes(phone)
    assert laptop.call("ping_server", {})["ok"]
    laptop.close()


def test_a_client_that_ignores_a_disconnect_loses_its_transport(server, device, raw):
    alice = device(server)
    socket = raw(server)
    assert socket.connect({"token": alice.tokens["access_token"]}).startswith("40")

    alice.post("/api/auth/logout")

    assert "session_ended" in socket.receive()
    assert socket.is_closed()


def test_revoking_another_login_closes_its_sockets(server, device):
    phone = device(server).connect()
    laptop = phone.other_device().connect()
    sessions = phone.get("/api/sessions")["items"]
    [other] = [session for session in sessions if not session["current"]]

    answer = phone.rest("DELETE", f"/api/sessions/{other['id']}")

    assert answer.status_code == 204
    assert closes(laptop)
    assert phone.call("ping_server", {})["ok"]


def test_a_password_change_closes_the_sockets_of_the_other_logins(server, device):
    phone = device(server).connect()
    laptop = phone.other_device().connect()

    phone.rest(
        "POST", "/api/auth/password", {"old_password": PASSWORD, "new_password": "another fine password"}
    ).raise_for_status()

    assert closes(laptop)
    assert phone.call("ping_server", {})["ok"]


def test_reuse_of_a_rotated_refresh_token_ends_the_session_and_its_sockets(server, device):
    phone = device(server).connect()
    spent = phone.tokens["refresh_token"]
    fresh = phone.post("/api/auth/refresh", {"refresh_token": spent})
    assert phone.call("renew_token", {"token": fresh["access_token"]})["ok"]

    answer = phone.rest("POST", "/api/auth/refresh", {"refresh_token": spent})

    assert answer.status_code == 401
    assert closes(phone)
