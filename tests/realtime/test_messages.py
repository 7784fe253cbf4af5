"""Messages between real clients and a real server: the ack and the push of each command carry the same message."""

import pytest


@pytest.fixture
def alice(server, device):
    """Connect the sender."""
    return device(server, "alice").connect()


@pytest.fixture
def bob(server, device):
    """Connect the recipient."""
    return device(server, "bob").connect()


def test_a_private_message_reaches_the_other_user(alice, bob):
    ack = alice.send("hello", to_user_id=bob.id)

    assert bob.wait_for("message_created") == {"message": ack["message"]}


@pytest.mark.parametrize(
    ("command", "payload", "event"),
    [
        ("edit_message", {"content": {"text": "hello, Bob"}}, "message_edited"),
        ("recall_message", {}, "message_recalled"),
        ("react", {"emoji": "👍"}, "message_reacted"),
        ("pin_message", {}, "message_pinned"),
    ],
)
def test_a_changed_message_reaches_the_other_user(alice, bob, command, payload, event):
    sent = alice.send("hello", to_user_id=bob.id)["message"]

    ack = alice.call(command, {"message_id": sent["id"], **payload})

    pushed = bob.wait_for(event)["message"]
    assert ack["ok"]
    assert pushed["change"] == ack["message"]["change"] == sent["change"] + 1
    # A push is the same for all members, so it does not say which emoji are the receiver's own.
    own = [{**reaction, "mine": None} for reaction in ack["message"]["reactions"]]
    assert pushed == {**ack["message"], "reactions": own}
