"""The first message between two users in a conversation that another call has just created."""

import pytest

from imapp.services.messaging.private_conversations import open_private
from tests.support import apps
from tests.support.clients.official import Device

pytestmark = [pytest.mark.slow]


def test_the_first_message_is_pushed_if_the_creation_of_the_conversation_was_not(start_server, mariadb, tmp_path):
    """The other user may write between the commit and the push of the creation; here that push never happens."""
    url = mariadb.create_database()
    node = start_server(DATABASE_URL=url)
    alice, bob = (Device.register(node, name).connect() for name in ("alice", "bob"))
    app = apps.make_app(url, tmp_path)
    with app.app_context():
        conversation_id, is_new = open_private(alice.id, bob.id)
    apps.close_app(app)
    assert is_new

    alice.send("hello", to_user_id=bob.id)

    said = bob.wait_for("message_created")["message"]
    assert (said["conversation_id"], said["seq"]) == (conversation_id, 1)
    alice.close()
    bob.close()
