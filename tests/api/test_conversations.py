"""Conversations over REST."""

import pytest

from tests.accounts import register


def test_opening_answers_201_then_200_with_the_same_conversation(call, ann, bob):
    first = call(ann, "POST", "/conversations", {"user_id": bob["user"]["id"]})
    again = call(bob, "POST", "/conversations", {"user_id": str(ann["user"]["id"])})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json["id"] == again.json["id"]
    assert first.json["type"] == "private"
    assert first.json["peer"]["username"] == "bob"
    assert "password" not in first.text
    assert "email" not in first.json["peer"]


def test_the_list_shows_the_last_message_and_the_unread_count(call, ann, bob, private):
    draft = {"client_id": "c", "type": "text", "content": {"text": "hi"}}
    sent = call(ann, "POST", f"/conversations/{private}/messages", draft).json["message"]

    page = call(bob, "GET", "/conversations").json

    assert page["next_cursor"] is None
    (entry,) = page["items"]
    assert (entry["id"], entry["last_seq"], entry["last_change"], entry["read_seq"], entry["unread"]) == (
        private, 1, 1, 0, 1,
    )  # fmt: skip
    assert entry["last_message"] == sent


def test_a_read_mark_never_moves_back(call, ann, bob, private):
    for number in range(3):
        draft = {"client_id": str(number), "type": "text", "content": {"text": "hi"}}
        call(ann, "POST", f"/conversations/{private}/messages", draft)

    assert call(bob, "POST", f"/conversations/{private}/read", {"seq": 2}).json == {"read_seq": 2}
    assert call(bob, "POST", f"/conversations/{private}/read", {"seq": 1}).json == {"read_seq": 2}
    assert call(bob, "GET", f"/conversations/{private}").json["unread"] == 1


def test_settings_can_be_changed_one_by_one(call, bob, private):
    first = call(bob, "PATCH", f"/conversations/{private}", {"is_pinned": True})
    second = call(bob, "PATCH", f"/conversations/{private}", {"draft": "soon"})

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json["pinned_at"] == first.json["pinned_at"]
    assert second.json["draft"] == "soon"


def test_messages_can_be_deleted_for_oneself(call, ann, bob, private):
    draft = {"client_id": "c", "type": "text", "content": {"text": "hi"}}
    sent = call(ann, "POST", f"/conversations/{private}/messages", draft).json["message"]

    answer = call(bob, "POST", "/messages/hide", {"message_ids": [sent["id"]]})

    assert (answer.status_code, answer.json["message_ids"]) == (200, [sent["id"]])
    assert call(bob, "GET", f"/conversations/{private}/messages").json["items"] == []
    assert call(ann, "GET", f"/conversations/{private}/messages").json["items"] == [sent]


@pytest.mark.parametrize(
    "ask",
    [
        lambda id_: ("GET", f"/conversations/{id_}", None),
        lambda id_: ("PATCH", f"/conversations/{id_}", {"is_pinned": True}),
        lambda id_: ("POST", f"/conversations/{id_}/read", {"seq": 1}),
        lambda id_: ("POST", "/messages/hide", {"message_ids": [f"{id_}-1"]}),
    ],
)
def test_a_foreign_conversation_is_answered_like_an_unknown_one(client, call, private, ask):
    eve = register(client, "eve")
    answers = [call(eve, *ask(id_)) for id_ in (private, 999_999)]

    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [(403, "not_a_member")] * 2


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "cursor=x", "cursor=2.1.1", "cursor=1.99999999999999999.1", "what=1"]
)
def test_an_invalid_page_is_refused(call, ann, query):
    assert call(ann, "GET", f"/conversations?{query}").status_code == 422


@pytest.mark.parametrize(
    "body", [{"is_pinned": "yes"}, {"is_pinned": None}, {"draft": "x" * 8001}, {"draft": "a\x00"}, {"read_seq": 1}, []]
)
def test_an_invalid_setting_is_refused(call, bob, private, body):
    assert call(bob, "PATCH", f"/conversations/{private}", body).status_code in {400, 422}


def test_conversations_and_sync_need_a_token(client, private):
    assert client.get("/api/conversations").status_code == 401
    assert client.post("/api/sync", json={}).status_code == 401
