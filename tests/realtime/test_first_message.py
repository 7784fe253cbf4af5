"""The first message between two people, when somebody else has just made their conversation."""

import pytest

from imapp.services.private_conversations import open_private
from tests.support import apps
from tests.support.device import Device

pytestmark = [pytest.mark.slow]


def test_it_is_pushed_though_who_made_the_conversation_did_not_come_to_tell(start_server, mariadb, tmp_path):
    """Between the commit and the telling the other side may already write; here nobody tells at all."""
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
