"""A node finds stored changes that were never pushed, and tells the affected clients to sync."""

from uuid import uuid4

import pytest

from imapp.schemas.conversations import ConversationPatch
from imapp.schemas.messages import MessageDraft
from imapp.services.accounts import sessions
from imapp.services.groups import group_members
from imapp.services.messaging import conversation_settings, messages
from tests.support import apps
from tests.support.server import Server


@pytest.fixture(scope="module")
def place(mariadb, tmp_path_factory):
    """Run a node that reconciles every second; return it with an app on its database that pushes nothing."""
    url, folder = mariadb.create_database(), tmp_path_factory.mktemp("untold")
    apps.migrate(url, folder)
    server, app = Server(folder / "node", DATABASE_URL=url, IM_RECONCILE_SECONDS="1"), apps.make_app(url, folder)
    yield server, app
    server.stop()
    apps.close_app(app)


@pytest.fixture
def elsewhere(place, device):
    """Provide (run, ada, bob, group): `run(fn, *args)` acts on a node that dies before it pushes anything."""
    server, app = place
    ada, bob = device(server, "ada").connect(), device(server, "bob").connect()
    group = ada.post("/api/groups", {"name": "crew", "member_ids": [bob.id]})["conversation_id"]
    bob.wait_for("group_created")

    def run(fn, *args):
        with app.app_context():
            return fn(*args)

    return run, ada, bob, group


def untold(device):
    return device.wait_for("sync_required", lambda event: event["reason"] == "untold")


def test_a_message_that_was_not_pushed_is_found(elsewhere):
    run, ada, bob, group = elsewhere
    draft = MessageDraft(client_id=uuid4().hex, type="text", content={"text": "hello"})

    run(messages.send, ada.id, group, draft)

    untold(ada)
    untold(bob)


def test_a_member_gets_no_messages_after_a_removal_that_was_not_pushed(elsewhere):
    run, ada, bob, group = elsewhere

    run(group_members.remove, ada.id, group, bob.id)
    untold(bob)
    said = ada.send("secret", conversation_id=group)["message"]

    ada.call("ping_server")
    assert said["id"] not in [event["message"]["id"] for event in bob.received("message_created")]


def test_a_session_ended_without_a_push_loses_its_sockets(elsewhere):
    run, ada, bob, _ = elsewhere
    [session] = [one["id"] for one in bob.get("/api/sessions")["items"]]

    run(sessions.revoke_session, bob.id, session)

    assert bob.wait_for("session_ended") == {"code": "session_revoked"}
    assert ada.call("ping_server")["ok"]


def test_a_change_of_own_settings_that_was_not_pushed_is_found(elsewhere):
    run, ada, bob, group = elsewhere

    run(conversation_settings.change, ada.id, group, ConversationPatch(is_muted=True))

    untold(ada)
    assert not bob.received("sync_required")


def test_no_client_is_told_to_sync_for_pushed_changes(elsewhere):
    _, ada, bob, group = elsewhere
    for number in range(30):
        ada.send(f"m{number}", conversation_id=group)
        bob.call("mark_read", {"conversation_id": group, "seq": number + 1})
        bob.sio.sleep(0.1)
    bob.sio.sleep(5)

    assert not ada.received("sync_required")
    assert not bob.received("sync_required")
