"""Scripts: statements that are sent to the database together."""

from contextlib import contextmanager

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from imapp.database import statement_batch
from imapp.database.engines import committer_engine
from imapp.database.transactions import writer_turn
from imapp.extensions import db
from imapp.models.messages import Message, Pin
from imapp.services.messaging.private_conversations import open_private
from imapp.services.write_path import transaction
from imapp.services.write_path.message_rules import Body, Send
from tests.support.people import create_users


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request) -> str:
    """Run the tests on both databases."""
    return request.param


@pytest.fixture
def conversation(app):
    """Make a conversation between two users; return (first user, conversation)."""
    ada, bob = create_users("ada", "bob")
    return ada, open_private(ada, bob)[0]


@contextmanager
def writing():
    """Provide an empty script in a transaction of the committer."""
    with writer_turn(), committer_engine().connect() as connection:
        yield statement_batch.script(connection)


def pins(count):
    return [{"conversation_id": 7, "seq": seq} for seq in range(count)]


def test_each_statement_returns_its_rows(app):
    with writing() as one:
        one.insert(Pin, pins(3))
        one.add("SELECT seq FROM pins ORDER BY seq")
        one.add("SELECT :word, :other", word="a", other="b")
        results = one.run()

    assert [list(map(tuple, rows)) for rows in results[1:]] == [[(0,), (1,), (2,)], [("a", "b")]]


@pytest.mark.parametrize(
    "word", ["'; DROP TABLE pins; --", "100 % %s %(x)s", "\\", "it's :word; \"", "\x00 \n 聊天 😀", ":word"]
)
def test_a_value_is_never_interpreted_as_sql(app, word):
    with writing() as one:
        one.add("SELECT :word", word=word)

        assert [tuple(row) for row in one.run()[0]] == [(word,)]


def test_a_script_that_fails_in_the_middle_stores_nothing(app):
    with writing() as one:
        one.insert(Pin, pins(2))
        one.insert(Pin, pins(1))
        with pytest.raises(IntegrityError):
            one.commit()

    with writing() as next_one:
        next_one.insert(Pin, pins(1))
        next_one.commit()
    assert db.session.scalar(select(func.count()).select_from(Pin)) == 1


def test_a_script_larger_than_a_packet_is_sent_in_parts(app, monkeypatch):
    monkeypatch.setattr(statement_batch, "_MOST_CHARS", 40)
    with writing() as one:
        one.insert(Pin, pins(20))
        one.add("DELETE FROM pins WHERE seq = 0")
        one.commit()

    assert db.session.scalars(select(Pin.seq).order_by(Pin.seq)).all() == list(range(1, 20))


def test_contents_larger_than_a_packet_of_the_server_are_stored(conversation):
    ada, number = conversation
    text = '{"text":"%s"}' % ("'" * 60_000)
    ops = [Send(ada, number, Body(client_id=f"c{index}", kind="text", content=text.encode())) for index in range(200)]

    transaction.commit(ops)

    assert db.session.scalars(select(Message.content).distinct()).all() == [text]


class TestMySql:
    """Tests of round trips, which only MySQL and MariaDB have."""

    @pytest.fixture(params=["mariadb"])
    def database(self, request) -> str:
        """Use MariaDB alone."""
        return request.param

    def test_a_message_takes_two_round_trips(self, app, conversation, monkeypatch):
        ada, number = conversation
        hello = [
            Send(ada, number, Body(client_id=f"c{index}", kind="text", content=b'{"text":"hello"}')) for index in (1, 2)
        ]
        # The first message of a private conversation also makes it visible to the other side.
        transaction.commit(hello[:1])
        sent = []
        with committer_engine().connect() as connection:
            kind = type(connection.connection.dbapi_connection)
        execute = kind._execute_command
        monkeypatch.setattr(kind, "_execute_command", lambda link, *args: (sent.append(args), execute(link, *args))[1])

        outcomes, _ = transaction.commit(hello[1:])

        assert outcomes[0]["message"]["seq"] == 2
        assert len(sent) == 2

    def test_only_the_committers_connections_accept_several_statements(self, app):
        with db.engine.connect() as connection, pytest.raises(Exception, match="SQL syntax"):
            connection.exec_driver_sql("SELECT 1; SELECT 2")
