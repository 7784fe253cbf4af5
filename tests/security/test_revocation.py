"""Ending a session closes its sockets too (drill S2, one node)."""

import pytest
import socketio

from tests.support.ports import wait_for

pytestmark = pytest.mark.slow


def revoke_there(here, there):
    for session in here.get("/api/sessions")["items"]:
        if not session["current"]:
            here.rest("DELETE", f"/api/sessions/{session['id']}")


def revoke_others(here, there):
    here.rest("DELETE", "/api/sessions")


def log_out_there(here, there):
    there.rest("POST", "/api/auth/logout")


def change_password_here(here, there):
    here.post("/api/auth/password", {"old_password": "correct horse battery", "new_password": "another passphrase"})


def reuse_a_spent_token_of_there(here, there):
    spent = there.tokens["refresh_token"]
    successor = there.rest("POST", "/api/auth/refresh", {"refresh_token": spent}).json()["refresh_token"]
    for token in (successor, spent):
        there.rest("POST", "/api/auth/refresh", {"refresh_token": token})


ENDINGS = [revoke_there, revoke_others, log_out_there, change_password_here, reuse_a_spent_token_of_there]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
def test_the_sockets_of_an_ended_session_get_a_reason_and_are_closed_and_no_others(server, device, end):
    here = device(server, "alice").connect()
    there = here.other_device().connect()

    end(here, there)

    assert there.wait_for("session_ended") == {"code": "session_revoked"}
    wait_for(lambda: not there.sio.connected, what="the end of the socket")
    assert here.call("ping_server", {})["ok"]


def test_the_token_of_an_ended_session_opens_no_socket(server, device):
    here = device(server, "alice")
    there = here.other_device()

    revoke_others(here, there)

    with pytest.raises(socketio.exceptions.ConnectionError):
        there.connect()
