"""Drill S4: a stranger tries every route and every command with the ids of other users' data.

The attempts are generated from the routes and the commands, so new ones are included automatically.
"""

from itertools import product

import pytest

from imapp.api.http.endpoint import Endpoint
from imapp.clock import now
from imapp.realtime.commands import register_commands
from imapp.realtime.dispatch import COMMANDS
from imapp.schemas.base import rfc3339

#: Routes with an id that a stranger may use, with the reason.
ALLOWED = {
    "users.get_user": "public profiles are visible to every user",
    "blocks.block_user": "every user may block every other user",
    "blocks.unblock_user": "and remove their own block",
    "join_requests.cancel_request": "it cancels the caller's own request only",
}

#: A body with an effect, by route.
BODIES = {
    "messages.send_message": {"client_id": "s", "type": "text", "content": {"text": "x"}},
    "messages.edit_message": {"content": {"text": "x"}},
    "messages.add_reaction": {"emoji": "👍"},
    "messages.remove_reaction": {"emoji": "👍"},
    "conversations.mark_read": {"seq": 1},
    "conversations.update_conversation": {"is_pinned": True},
    "contacts.set_remark": {"remark": "x"},
    "groups.update_group": {"name": "x"},
    "group_members.set_role": {"role": "admin"},
    "group_members.mute_member": {"until": rfc3339(now().replace(year=2100))},
}


@pytest.fixture(scope="module")
def world(server):
    """Create a private chat, a group and requests of Ada and Bob, and a stranger with all their ids."""
    from tests.support.clients.official import Device

    ada, bob, carol, eve = (Device.register(server, name) for name in ("ada", "bob", "carol", "eve"))
    ada.connect()
    bob.connect()
    group = ada.post("/api/groups", {"name": "g", "member_ids": [bob.id], "join_policy": "approval"})
    link = ada.rest("PUT", f"/api/groups/{group['id']}/link").json()
    carol.post(f"/api/groups/{group['id']}/join", {"message": "let me in", "token": link["token"]})
    request = ada.post("/api/contact-requests", {"user_id": bob.id})
    private = ada.send("private", to_user_id=bob.id)["message"]
    in_group = ada.send("in group", group_id=group["id"])["message"]
    eve.connect()
    yield {
        "ada": ada, "bob": bob, "eve": eve, "group_id": group["id"], "request_id": request["id"],
        "session_id": ada.get("/api/sessions")["items"][0]["id"], "user_ids": [ada.id, bob.id, carol.id],
        "conversation_ids": [private["conversation_id"], group["id"]],
        "message_ids": [private["id"], in_group["id"]],
    }  # fmt: skip
    for device in (ada, bob, eve):
        device.close()


def snapshot(world) -> list:
    """Return everything that Ada can see of her data."""
    ada = world["ada"]
    conversations = [ada.get(f"/api/conversations/{id_}") for id_ in world["conversation_ids"]]
    histories = [ada.history(id_) for id_ in world["conversation_ids"]]
    return [*conversations, *histories, ada.get(f"/api/groups/{world['group_id']}"), ada.get("/api/contact-requests")]


def ids_for(world, parameter: str) -> list:
    return {
        "conversation_id": world["conversation_ids"],
        "group_id": [world["group_id"]],
        "invitation_id": [1],
        "message_id": world["message_ids"],
        "node_id": [world["ada"].get("/api/stats/online")["node_id"]],
        "request_id": [world["request_id"]],
        "session_id": [world["session_id"]],
        "sid": [world["ada"].sio.get_sid()],
        "user_id": world["user_ids"],
    }[parameter]


def attempts(app, world):
    """Yield (endpoint, method, path) of every route with an id, for every id."""
    for rule in app.url_map.iter_rules():
        if not isinstance(app.view_functions[rule.endpoint], Endpoint) or not rule.arguments:
            continue
        names = sorted(rule.arguments)
        for values in product(*(ids_for(world, name) for name in names)):
            with app.test_request_context():
                _, path = rule.build(dict(zip(names, values, strict=True)), append_unknown=False)
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                yield rule.endpoint, method, path


def test_no_route_reveals_or_changes_data_of_others(app, world):
    eve = world["eve"]
    before = snapshot(world)
    tried = set()

    for endpoint, method, path in attempts(app, world):
        body = BODIES.get(endpoint, {}) if method != "GET" else None
        if endpoint == "group_members.add_members":
            body = {"user_ids": [eve.id]}
        if endpoint == "groups.transfer_group":
            body = {"user_id": eve.id}
        answer = eve.rest(method, path, body)
        tried.add(endpoint)
        if endpoint not in ALLOWED:
            assert answer.status_code in {403, 404}, f"{method} {path}: {answer.status_code} {answer.text}"

    assert len(tried) >= 25
    for user_id in world["user_ids"]:
        eve.rest("DELETE", f"/api/blocks/{user_id}")
    assert snapshot(world) == before


def command_attempts(world):
    """Yield (command, payload) of every command that takes an id, for every id."""
    register_commands()
    extra = {
        "mark_read": {"seq": 1},
        "edit_message": {"content": {"text": "x"}},
        "react": {"emoji": "👍"},
        "update_conversation": {"is_pinned": True},
        "forward_message": {"client_id": "e"},
        "send_message": {"client_id": "e", "type": "text", "content": {"text": "x"}},
    }
    for name, command in COMMANDS.items():
        fields = command.takes.model_fields
        for field, ids in (
            ("conversation_id", world["conversation_ids"]),
            ("message_id", world["message_ids"]),
            ("group_id", [world["group_id"]]),
        ):
            if field in fields:
                for value in ids:
                    payload = {field: value, **extra.get(name, {})}
                    if name == "forward_message":
                        payload = {
                            **payload,
                            "message_id": world["message_ids"][0],
                            "conversation_id": world["conversation_ids"][0],
                        }
                    yield name, payload
    yield "hide_messages", {"message_ids": world["message_ids"]}


def test_no_command_reveals_or_changes_data_of_others_or_pushes_anything(world):
    eve = world["eve"]
    before = snapshot(world)
    heard = len(world["ada"].events)

    tried = set()
    for command, payload in command_attempts(world):
        if command == "leave_room":
            continue  # leaving a room reveals nothing
        ack = eve.call(command, payload)
        tried.add(command)
        assert ack["ok"] is False, (command, payload, ack)
        assert ack["error"]["code"] in {"not_a_member", "not_found"}, (command, payload, ack)

    assert len(tried) >= 12
    assert snapshot(world) == before
    assert len(world["ada"].events) == heard


def test_sync_gives_a_stranger_no_data(world):
    named = {str(id_): 0 for id_ in world["conversation_ids"]}

    answer = world["eve"].call("sync", {"conversations": named})

    for conversation in answer["conversations"]:
        assert conversation.get("removed") is True
        assert not conversation.get("changes")


def test_no_event_of_others_is_pushed_to_a_stranger(world):
    ada, eve = world["ada"], world["eve"]
    before = len(eve.events)

    ada.send("still private", to_user_id=world["bob"].id)
    ada.send("still ours", group_id=world["group_id"])
    ada.call("typing", {"conversation_id": world["group_id"]})
    world["bob"].wait_for("user_typing")

    assert [event for event, _ in eve.events[before:]] == []
