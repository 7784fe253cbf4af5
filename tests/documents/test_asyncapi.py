"""The AsyncAPI document is valid and complete, and what the server sends conforms to it."""

import json
import re
import time

import pytest
import requests
from jsonschema import Draft202012Validator

from imapp.errors import AppError
from imapp.realtime.asyncapi import document, error_codes, events
from imapp.realtime.commands import register_commands
from imapp.realtime.dispatch import COMMANDS
from tests.support.documents import undescribed


@pytest.fixture(scope="module")
def described(server) -> dict:
    """Return the document as the server serves it."""
    return requests.get(server.url + "/api/asyncapi.json", timeout=10).json()


def check(described: dict, message: str, payload: object) -> None:
    """Check that the payload conforms to the message's schema."""
    strict = closed(described)
    schema = {**strict["components"]["messages"][message]["payload"], "components": strict["components"]}
    Draft202012Validator(schema).validate(payload)


def closed(described: dict) -> dict:
    """Return the document for exactly this version: no other fields, no other values.

    The served document is open, so that a client generated from it survives newer servers.
    """
    text = re.sub(r'("properties": ?{)', r'"unevaluatedProperties": false, \1', json.dumps(described))
    return json.loads(text.replace('"x-extensible-enum":', '"enum":'))


def test_every_command_and_every_event_is_an_operation(described):
    register_commands()

    receives = {name for name, operation in described["operations"].items() if operation["action"] == "receive"}
    sends = {name for name, operation in described["operations"].items() if operation["action"] == "send"}

    assert described["asyncapi"] == "3.1.0"
    assert receives == set(COMMANDS)
    assert sends == {event.name for event in events()} | {"connect_refused"}
    assert {"message_created", "sync_required", "server_draining", "presence_changed"} <= sends


def test_every_operation_schema_and_field_has_a_description(described):
    assert undescribed(described["components"]["schemas"]) == []
    assert all(operation["description"] for operation in described["operations"].values())
    for message in described["components"]["messages"].values():
        assert message["summary"][0].isupper()


def test_every_schema_is_valid_and_every_reference_resolves(described):
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for operation in described["operations"].values():
        for reference in [*operation["messages"], *operation.get("reply", {}).get("messages", [])]:
            name = reference["$ref"].rsplit("/", 1)[1]
            assert name in described["channels"]["main"]["messages"]
            assert name in described["components"]["messages"]


def test_the_served_document_equals_the_generated_one(described):
    register_commands()

    assert document() == described


def test_error_codes_are_collected_from_the_classes():
    codes = error_codes()

    assert codes["not_a_member"]
    assert AppError.code in codes


def test_every_command_lists_its_error_codes(described):
    codes = described["operations"]["send_message"]["x-codes"]

    assert {"not_a_member", "client_id_conflict", "rate_limited", "busy", "message_too_large"} <= set(codes)
    assert "not_a_member" not in described["operations"]["ping_server"]["x-codes"]
    assert "`muted`" in described["operations"]["typing"]["description"]


def test_acks_and_events_conform_to_the_document(server, described, device):
    ada, bob = device(server, "ada").connect(), device(server, "bob").connect()
    laptop = ada.other_device().connect()
    acks: list[tuple[str, dict]] = []

    def call(sender, command: str, payload: dict) -> dict:
        ack = sender.call(command, payload)
        acks.append((command, ack))
        return ack

    def text(client_id: str, **target) -> dict:
        return {"client_id": client_id, "type": "text", "content": {"text": "hi"}, **target}

    request = ada.post("/api/contact-requests", {"user_id": bob.id, "message": "hello"})
    bob.post(f"/api/contact-requests/{request['id']}/accept")
    group = ada.post("/api/groups", {"name": "g", "member_ids": [bob.id]})
    sent = call(ada, "send_message", text("1", to_user_id=bob.id))["message"]
    conversation, key = {"conversation_id": sent["conversation_id"]}, {"message_id": sent["id"]}
    call(ada, "send_message", text("1", to_user_id=bob.id))
    call(ada, "send_message", {"nonsense": True})
    call(bob, "send_message", text("2", group_id=group["id"], mentions=[ada.id]))
    call(bob, "mark_read", {**conversation, "seq": 1})
    call(bob, "typing", conversation)
    call(bob, "stop_typing", conversation)
    call(bob, "join_room", conversation)
    call(ada, "edit_message", {**key, "content": {"text": "edited"}})
    call(bob, "react", {**key, "emoji": "👍"})
    call(ada, "pin_message", key)
    call(ada, "unpin_message", key)
    call(ada, "forward_message", {**key, "client_id": "f", "conversation_id": group["id"]})
    call(ada, "mark_unread", conversation)
    call(ada, "update_conversation", {**conversation, "is_pinned": True, "draft": "later"})
    call(ada, "hide_messages", {"message_ids": [sent["id"]]})
    call(ada, "recall_message", key)
    call(ada, "get_online_users", {})
    call(ada, "ping_server", {})
    call(ada, "renew_token", {"token": ada.tokens["access_token"]})
    call(ada, "sync", {"conversations": {}})
    call(bob, "leave_room", conversation)
    ada.rest("PATCH", "/api/users/me", {"nickname": "Ada L."}).raise_for_status()
    ada.rest("PATCH", f"/api/groups/{group['id']}", {"name": "new name"}).raise_for_status()
    ada.rest("PUT", f"/api/groups/{group['id']}/members/{bob.id}/role", {"role": "admin"}).raise_for_status()
    bob.post(f"/api/groups/{group['id']}/leave")
    bob.rest("PUT", f"/api/blocks/{ada.id}").raise_for_status()
    bob.rest("DELETE", f"/api/blocks/{ada.id}").raise_for_status()
    ada.rest("DELETE", f"/api/contacts/{bob.id}").raise_for_status()
    ada.rest("DELETE", f"/api/groups/{group['id']}").raise_for_status()
    laptop.close()
    time.sleep(1)

    for command, ack in acks:
        assert ack["ok"] or ack["error"]["code"] in described["operations"][command]["x-codes"]
        check(described, f"{command}_ack", ack)
    pushed = [*ada.events, *bob.events, *laptop.events]
    for event, payload in pushed:
        check(described, event, payload)
    assert {command for command, _ in acks} == set(COMMANDS)
    assert all(ack["ok"] for command, ack in acks if ack != acks[2][1])
    assert {event for event, _ in pushed} >= {
        "message_created", "message_edited", "message_recalled", "message_reacted", "message_pinned",
        "messages_hidden", "conversation_read", "user_typing", "user_stop_typing", "conversation_updated",
        "contact_request_created", "contact_added", "contact_removed", "user_blocked", "user_unblocked",
        "group_updated", "member_updated", "member_removed", "presence_changed", "user_updated",
    }  # fmt: skip
