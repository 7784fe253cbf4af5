"""A SQLite file locked by another program: clients get `busy`, which tells them to retry."""

import sqlite3
from contextlib import closing

import pytest

from imapp.database import transactions
from imapp.errors import BusyError
from imapp.extensions import db
from imapp.schemas.messages import MessageDraft
from imapp.services.messaging import messages
from imapp.services.messaging.private_conversations import open_private
from tests.support.people import create_users


@pytest.fixture
def impatient(monkeypatch):
    """Make connections not wait for a lock."""
    monkeypatch.setattr(transactions, "SQLITE_TURN_SECONDS", 0)


def test_a_write_to_a_locked_file_is_refused_as_busy(impatient, app):
    ada, bob, eve = create_users("ada", "bob", "eve")
    chat, _ = open_private(ada, bob)
    draft = MessageDraft(client_id="a1", type="text", content={"text": "hi"})

    with closing(sqlite3.connect(db.engine.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError):
            messages.send(ada, chat, draft)
        with pytest.raises(BusyError):
            open_private(bob, eve)
        other.execute("ROLLBACK")

    assert messages.send(ada, chat, draft)["message"]["seq"] == 1
