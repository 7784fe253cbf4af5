"""Drill S4: a stranger tries every route and every command with the ids of other people's things.

The table is generated from the routes and the commands, so a new one is tried without anybody thinking of it.
"""

from itertools import product

import pytest

from imapp.api.contract import Endpoint
from imapp.realtime.commands import register_commands
from imapp.realtime.dispatch import COMMANDS
from imapp.schemas.base import now, rfc3339

#: Routes with an id that a stranger may use, and why.
ALLOWED = {
    "users.get_user": "everybody's card is public",
    "blocks.block_user": "anybody may block anybody",
    "blocks.unblock_user": "and end the block",
    "join_requests.cancel_request": "one takes back what one asked, not what others did",
}

#: A body that would do something, by what the route takes.
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
    """Ada and Bob with a private chat, a group, a request; and a stranger who knows all ids."""
    from tests.support.device import Device

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
    """All that Ada can see of her things."""
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
    """(endpoint, method, path) of every route with an id, with every id."""
    for rule in app.url_map.iter_rules():
        if not isinstance(app.view_functions[rule.endpoint], Endpoint) or not rule.arguments:
            continue
        names = sorted(rule.arguments)
        for values in product(*(ids_for(world, name) for name in names)):
            with app.test_request_context():
                _, path = rule.build(dict(zip(names, values, strict=True)), append_unknown=False)
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                yield rule.endpoint, method, path


def test_no_route_gives_or_changes_what_is_others(app, world):
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
    """(command, payload) of every command that takes an id, with every id."""
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


def test_no_command_gives_or_changes_what_is_others_and_nothing_is_heard(world):
    eve = world["eve"]
    before = snapshot(world)
    heard = len(world["ada"].events)

    tried = set()
    for command, payload in command_attempts(world):
        if command == "leave_room":
            continue  # hearing less is nobody's secret
        ack = eve.call(command, payload)
        tried.add(command)
        assert ack["ok"] is False, (command, payload, ack)
        assert ack["error"]["code"] in {"not_a_member", "not_found"}, (command, payload, ack)

    assert len(tried) >= 12
    assert snapshot(world) == before
    assert len(world["ada"].events) == heard


def test_sync_tells_a_stranger_nothing(world):
    named = {str(id_): 0 for id_ in world["conversation_ids"]}

    answer = world["eve"].call("sync", {"conversations": named})

    for conversation in answer["conversations"]:
        assert conversation.get("removed") is True
        assert not conversation.get("changes")


def test_a_stranger_hears_nothing_of_what_others_do(world):
    ada, eve = world["ada"], world["eve"]
    before = len(eve.events)

    ada.send("still private", to_user_id=world["bob"].id)
    ada.send("still ours", group_id=world["group_id"])
    ada.call("typing", {"conversation_id": world["group_id"]})
    world["bob"].wait_for("user_typing")

    assert [event for event, _ in eve.events[before:]] == []
