"""Messages between real clients and a real server."""


def test_a_private_message_reaches_the_other_user(server, device):
    alice = device(server, "alice").connect()
    bob = device(server, "bob").connect()

    ack = alice.send("hello", to_user_id=bob.id)

    assert bob.wait_for("message_created") == {"message": ack["message"]}
