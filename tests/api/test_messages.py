"""Messages over REST: the rules are tested in tests/services/test_messages.py, pushes in tests/realtime."""

import pytest

TEXT = {"client_id": "c", "type": "text", "content": {"text": "hi"}}


@pytest.fixture
def sent(call, ann, private):
    """Return a message of Ann's."""
    return call(ann, "POST", f"/conversations/{private}/messages", TEXT).json["message"]


def test_a_send_answers_201_and_a_retry_200_with_the_same_message(call, ann, private):
    first = call(ann, "POST", f"/conversations/{private}/messages", TEXT)
    again = call(ann, "POST", f"/conversations/{private}/messages", TEXT)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == {"message": first.json["message"], "duplicate": True}


def test_an_edited_message_is_shown_to_both_with_its_earlier_version(call, ann, bob, sent):
    edited = call(ann, "PATCH", f"/messages/{sent['id']}", {"content": {"text": "hello"}})

    assert edited.status_code == 200
    assert edited.json["message"]["content"] == {"text": "hello"}
    assert call(bob, "GET", f"/messages/{sent['id']}").json == edited.json["message"]
    [version] = call(bob, "GET", f"/messages/{sent['id']}/edits").json["items"]
    assert version["content"] == {"text": "hi"}


def test_a_recalled_message_is_empty_for_both(call, ann, bob, sent):
    recalled = call(ann, "POST", f"/messages/{sent['id']}/recall")

    assert recalled.status_code == 200
    assert recalled.json["message"]["content"] == {}
    assert call(bob, "GET", f"/messages/{sent['id']}").json == recalled.json["message"]


def test_an_emoji_is_counted_and_can_be_removed(call, ann, bob, sent):
    given = call(bob, "PUT", f"/messages/{sent['id']}/reactions", {"emoji": "👍"})
    removed = call(bob, "POST", f"/messages/{sent['id']}/reactions/remove", {"emoji": "👍"})

    [reaction] = given.json["message"]["reactions"]
    assert (reaction["count"], reaction["mine"]) == (1, True)
    assert removed.json["message"]["reactions"] == []


def test_a_pinned_message_is_listed_until_it_is_unpinned(call, ann, bob, private, sent):
    pinned = call(bob, "PUT", f"/messages/{sent['id']}/pin").json["message"]

    assert pinned["pinned_by"] == bob["user"]["id"]
    assert call(ann, "GET", f"/conversations/{private}/pins").json["items"] == [pinned]
    assert call(bob, "DELETE", f"/messages/{sent['id']}/pin").status_code == 200
    assert call(ann, "GET", f"/conversations/{private}/pins").json["items"] == []


def test_the_other_user_can_neither_edit_nor_recall_it(call, bob, sent):
    edited = call(bob, "PATCH", f"/messages/{sent['id']}", {"content": {"text": "mine now"}})
    recalled = call(bob, "POST", f"/messages/{sent['id']}/recall")

    assert [(answer.status_code, answer.json["code"]) for answer in (edited, recalled)] == [(403, "forbidden")] * 2
    assert call(bob, "GET", f"/messages/{sent['id']}").json == sent
