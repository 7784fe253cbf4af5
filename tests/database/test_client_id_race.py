"""Another node stores a client id between this node's query for it and its insert."""

import pytest
from sqlalchemy import insert

from imapp.clock import now
from imapp.errors import ClientIdConflictError
from imapp.extensions import db
from imapp.models.messages import Message
from imapp.services.messaging.private_conversations import open_private
from imapp.services.write_path import transaction
from imapp.services.write_path.batch import Batch
from imapp.services.write_path.message_rules import Body, Send
from tests.support.people import create_users


@pytest.fixture(params=["mariadb"])
def database(request) -> str:
    """Use MariaDB alone: SQLite has one writer."""
    return request.param


def store_elsewhere(sender, conversation, client_id, seq):
    """Store a message with this client id in another conversation, as another node does meanwhile."""
    row = {
        "conversation_id": conversation, "seq": seq, "change": seq, "sender_id": sender, "client_id": client_id,
        "digest": "of another message", "type": "text", "content": "{}", "created_at": now(),
    }  # fmt: skip
    with db.engine.begin() as connection:
        connection.execute(insert(Message), row)


def test_an_op_that_loses_the_race_finds_the_winner(app, monkeypatch):
    ada, bob, cy = create_users("ada", "bob", "cy")
    conversation, other = open_private(ada, bob)[0], open_private(ada, cy)[0]
    # The batch loses the race for c1, then the second op, run alone, for c2. Each is retried and finds the row.
    lost = {1: "c1", 3: "c2"}
    loads = []
    load = Batch.load

    def slow_load(batch, connection):
        load(batch, connection)
        loads.append([op.client_id for op in batch.ops])
        if (client_id := lost.get(len(loads))) is not None:
            store_elsewhere(ada, other, client_id, len(loads))

    monkeypatch.setattr(Batch, "load", slow_load)

    outcomes, publications = transaction.commit(
        [
            Send(ada, conversation, Body(client_id=client_id, kind="text", content=b'{"text":"hello"}'))
            for client_id in ("c1", "c2", "c3")
        ]
    )

    assert loads == [["c1", "c2", "c3"], ["c1"], ["c2"], ["c2"], ["c3"]]
    assert [type(outcome) for outcome in outcomes[:2]] == [ClientIdConflictError, ClientIdConflictError]
    assert outcomes[2]["message"]["seq"] == 1
    assert [[event.name for event in published] for published in publications] == [
        [],
        [],
        ["message_created", "conversation_read"],
    ]
