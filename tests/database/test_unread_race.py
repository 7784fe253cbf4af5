"""A conversation is marked unread between a send's reads and its writes."""

import pytest

from imapp.extensions import db
from imapp.models.conversations import ConversationMember
from imapp.schemas.conversations import ConversationPatch
from imapp.services.messaging import conversation_settings
from imapp.services.messaging.private_conversations import open_private
from imapp.services.write_path import transaction
from imapp.services.write_path.batch import Batch
from imapp.services.write_path.message_rules import Body, Send
from tests.support.people import create_users


@pytest.fixture(params=["mariadb"])
def database(request) -> str:
    """Use MariaDB alone: SQLite has one writer."""
    return request.param


def hello(user_id, conversation_id, client_id):
    return Send(user_id, conversation_id, Body(client_id=client_id, kind="text", content=b'{"text":"hello"}'))


def test_a_send_does_not_clear_the_mark_without_a_new_version(app, monkeypatch):
    ada, bob = create_users("ada", "bob")
    conversation = open_private(ada, bob)[0]
    transaction.commit([hello(ada, conversation, "first")])  # it adds a version of the user's own state
    load = Batch.load

    def load_and_mark(batch, connection):
        load(batch, connection)
        conversation_settings.change(ada, conversation, ConversationPatch(is_marked_unread=True))

    monkeypatch.setattr(Batch, "load", load_and_mark)

    transaction.commit([hello(ada, conversation, "second")])

    row = db.session.get(ConversationMember, (conversation, ada), populate_existing=True)
    assert row.is_marked_unread
