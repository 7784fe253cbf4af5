"""Group commit: batches are ordered and bounded, and one failing op does not fail the others."""

import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import event, select

from imapp.cluster.bus import bus
from imapp.database import transactions
from imapp.database.engines import CommitterEngine
from imapp.errors import AppError, BusyError, NotAMemberError, UnavailableError
from imapp.extensions import db
from imapp.models.messages import Message
from imapp.node import node_of
from imapp.services.messaging.private_conversations import open_private
from imapp.services.messaging.reactions import React
from imapp.services.messaging.read_marks import MarkRead
from imapp.services.operations import health
from imapp.services.write_path import committer, transaction
from imapp.services.write_path.batch import Op
from imapp.services.write_path.committer import Committer
from imapp.services.write_path.message_rules import Body, Edit, Recall, Said, Send
from tests.services.groups import make_group
from tests.support.people import create_users


@pytest.fixture
def ada_and_bob(app):
    """Create two users and return them with their conversation."""
    ada, bob = create_users("ada", "bob")
    return ada, bob, open_private(ada, bob)[0]


def send_op(user_id, conversation_id, number):
    return Send(user_id, conversation_id, Body(client_id=f"c{number}", kind="text", content=b'{"text":"%d"}' % number))


#: The events of a conversation's first message: it makes the conversation visible to both users.
FIRST = ["message_created", "conversation_read"]


def names(published):
    return [publication.name for publication in published]


def test_a_batch_is_one_transaction_with_few_statements(app, ada_and_bob):
    ada, _, conversation = ada_and_bob
    transaction.commit([send_op(ada, conversation, 1000)])  # the first message makes it visible to bob
    statements = []
    engine = node_of(app).part(CommitterEngine).engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    outcomes, publications = transaction.commit([send_op(ada, conversation, number) for number in range(100)])

    assert [outcome["message"]["seq"] for outcome in outcomes] == list(range(2, 102))
    assert [len(published) for published in publications] == [1] * 100
    assert len(statements) <= 8


def test_a_failing_op_does_not_fail_its_batch(ada_and_bob):
    ada, bob, conversation = ada_and_bob
    ops = [send_op(ada, conversation, 1), send_op(ada, 10**9, 2), send_op(bob, conversation, 3)]

    outcomes, _ = transaction.commit(ops)

    assert isinstance(outcomes[1], NotAMemberError)
    assert [outcomes[0]["message"]["seq"], outcomes[2]["message"]["seq"]] == [1, 2]


class Broken(Op):
    """An op with a bug."""

    def apply(self, batch):
        """Raise in the middle of the work."""
        batch.mark_read(self.conversation_id, self.actor_id, 1)
        raise ZeroDivisionError


class Unstorable(Send):
    """An op with a row that violates a constraint of the database."""

    def apply(self, batch):
        """Store a message without a type."""
        result = super().apply(batch)
        batch.messages[self.conversation_id, result["message"]["seq"]]["type"] = None
        return result


@pytest.mark.parametrize("broken", [Broken, Unstorable])
def test_a_bug_in_one_op_fails_only_that_op(ada_and_bob, broken):
    ada, bob, conversation = ada_and_bob
    bad = (
        broken(ada, conversation)
        if broken is Broken
        else broken(ada, conversation, Body(client_id="x", kind="text", content=b"{}"))
    )

    outcomes, publications = transaction.commit([send_op(ada, conversation, 1), bad, send_op(bob, conversation, 2)])

    assert outcomes[0]["message"]["seq"] == 1
    assert outcomes[1].code == "internal_error"
    assert outcomes[2]["message"]["seq"] == 2
    assert [names(published) for published in publications] == [FIRST, [], ["message_created"]]


def test_the_same_client_id_twice_in_a_batch_is_one_message(ada_and_bob):
    ada, _, conversation = ada_and_bob

    outcomes, publications = transaction.commit([send_op(ada, conversation, 1), send_op(ada, conversation, 1)])

    assert outcomes[1] == {"message": outcomes[0]["message"], "duplicate": True}
    # Receivers drop changes that they already have.
    assert [names(published) for published in publications] == [FIRST, ["message_created"]]


def test_several_changes_to_one_message_in_a_batch_are_all_applied(ada_and_bob):
    ada, bob, conversation = ada_and_bob
    transaction.commit([send_op(ada, conversation, 1)])
    key = (conversation, 1)

    outcomes, _ = transaction.commit(
        [
            Edit(ada, key, Said(kind="text", content=b'{"text":"new"}')),
            React(bob, key, "a", remove=False),
            React(ada, key, "b", remove=False),
            React(bob, key, "a", remove=True),
            React(bob, key, "a", remove=False),
            MarkRead(bob, conversation, 1),
            Recall(ada, *key),
        ]
    )

    assert [outcome["message"]["change"] for outcome in outcomes if "message" in outcome] == [2, 3, 4, 5, 6, 7]
    row = db.session.execute(select(Message).where(Message.seq == 1)).scalar_one()
    assert (row.content, row.reactions, row.change) == ("{}", None, 7)


def test_a_full_queue_answers_busy(app, ada_and_bob):
    ada, _, conversation = ada_and_bob
    small = Committer(app, batch_max=10, queue_max=2)
    small._thread = threading.current_thread()  # never started: nothing leaves the queue
    for number in range(2):
        small.submit(send_op(ada, conversation, number), lambda _outcome: None)

    with pytest.raises(BusyError) as refused:
        small.submit(send_op(ada, conversation, 3), lambda _outcome: None)

    assert refused.value.retry_after == 1


def test_closing_commits_accepted_ops_and_refuses_new_ones(app, ada_and_bob):
    ada, _, conversation = ada_and_bob
    closing = Committer(app, batch_max=7, queue_max=1000)
    outcomes = []
    for number in range(50):
        closing.submit(send_op(ada, conversation, number), outcomes.append)

    closing.close()

    assert [outcome["message"]["seq"] for outcome in outcomes] == list(range(1, 51))
    with pytest.raises(BusyError):
        closing.submit(send_op(ada, conversation, 99), outcomes.append)


def test_a_failing_acknowledgement_does_not_stop_the_others(app, ada_and_bob, caplog):
    ada, _, conversation = ada_and_bob
    outcomes = []

    committer.submit(send_op(ada, conversation, 1), lambda _outcome: 1 / 0)
    committer.submit(send_op(ada, conversation, 2), outcomes.append)
    committer.run(send_op(ada, conversation, 3))

    assert outcomes[0]["message"]["seq"] == 2
    assert "acknowledgement_failed" in caplog.text


def test_a_failing_push_does_not_stop_the_committer(app, ada_and_bob, caplog, monkeypatch):
    ada, _, conversation = ada_and_bob
    monkeypatch.setattr(bus, "send", lambda *_args, **_options: 1 / 0)

    committer.run(send_op(ada, conversation, 1))
    stored = committer.run(send_op(ada, conversation, 2))

    assert stored["message"]["seq"] == 2
    assert "publishing_failed pushed=message_created" in caplog.text


def test_a_commit_of_unknown_outcome_makes_all_members_sync(app, ada_and_bob, monkeypatch):
    ada, bob, conversation = ada_and_bob
    dialect = node_of(app).part(CommitterEngine).engine.dialect
    commit = dialect.do_commit

    def commit_and_break(connection):
        commit(connection)
        raise dialect.loaded_dbapi.OperationalError(2013, "Lost connection during query")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", commit_and_break)
        patch.setattr(dialect, "is_disconnect", lambda *_args: True)
        outcomes, publications = transaction.commit([send_op(ada, conversation, 1)])
    again, repeated = transaction.commit([send_op(ada, conversation, 1)])

    assert isinstance(outcomes[0], UnavailableError)
    [[told]] = publications
    assert (told.name, told.payload) == ("sync_required", {"reason": "commit_unknown"})
    assert set(told.rooms) == {bus.conversation_room(conversation), bus.user_room(ada), bus.user_room(bob)}
    assert again[0]["duplicate"]
    assert names(repeated[0]) == ["message_created"]  # pushed again: the first node may have died before its push


def test_a_read_mark_of_unknown_outcome_makes_members_of_a_small_group_sync(app, monkeypatch):
    ada, bob = create_users("ada", "bob")
    group = make_group(ada, bob)
    transaction.commit([send_op(ada, group, 1)])
    dialect = node_of(app).part(CommitterEngine).engine.dialect

    def break_at_commit(_connection):
        raise dialect.loaded_dbapi.OperationalError(2013, "Lost connection during query")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", break_at_commit)
        patch.setattr(dialect, "is_disconnect", lambda *_args: True)
        _, [[told]] = transaction.commit([MarkRead(bob, group, 2)])

    assert told.name == "sync_required"
    assert set(told.rooms) == {bus.user_room(bob), bus.conversation_room(group)}


def test_an_endless_conflict_is_answered_busy_and_not_as_a_fault(app, ada_and_bob, monkeypatch):
    ada, _, conversation = ada_and_bob
    dialect = node_of(app).part(CommitterEngine).engine.dialect

    def lose(_connection):
        raise dialect.loaded_dbapi.OperationalError(1213, "Deadlock found when trying to get lock")

    monkeypatch.setattr(transactions, "patience_seconds", lambda: 0.2)
    monkeypatch.setattr(dialect, "do_commit", lose)

    outcomes, _ = transaction.commit([send_op(ada, conversation, 1)])

    assert isinstance(outcomes[0], BusyError)


def test_a_batch_that_does_not_get_the_write_lock_is_answered_busy(app, ada_and_bob, monkeypatch):
    ada, _, conversation = ada_and_bob

    @contextmanager
    def never():
        raise BusyError
        yield

    monkeypatch.setattr(transactions, "writer_turn", never)

    outcomes, _ = transaction.commit([send_op(ada, conversation, number) for number in range(2)])

    assert [type(outcome) for outcome in outcomes] == [BusyError, BusyError]


def test_many_writers_of_one_conversation_leave_no_gap_in_the_numbers(app, ada_and_bob):
    ada, bob, conversation = ada_and_bob

    def write(first):
        with app.app_context():
            for number in range(first, first + 10):
                committer.run(send_op(ada if number % 2 else bob, conversation, number))

    threads = [threading.Thread(target=write, args=(first * 10,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    seqs = db.session.scalars(select(Message.seq).order_by(Message.seq)).all()
    assert seqs == list(range(1, 81))


def test_queue_state_reports_the_length_and_the_age_of_the_oldest_op(app, ada_and_bob):
    ada, _, conversation = ada_and_bob
    small = Committer(app, batch_max=10, queue_max=2)
    small._thread = threading.current_thread()  # never started: nothing leaves the queue
    at_first = small.state()

    for number in range(2):
        small.submit(send_op(ada, conversation, number), lambda _outcome: None)
    time.sleep(0.05)

    assert (at_first.waiting, at_first.most, at_first.oldest_seconds, at_first.last_commit_ok) == (0, 2, 0, None)
    state = small.state()
    assert (state.waiting, state.most) == (2, 2)
    assert 0.04 < state.oldest_seconds < 60
    started = node_of(app).part(Committer)
    node_of(app).add(small)
    write_path = health.check_readiness().components["writePath"]
    node_of(app).add(started)  # the end of the test stops it
    assert (write_path.status, write_path.details["waiting"]) == ("DOWN", 2)


def test_a_failed_commit_is_reported_until_the_next_success(ada_and_bob, monkeypatch):
    ada, _, conversation = ada_and_bob

    with monkeypatch.context() as patch:
        patch.setattr(committer, "commit", lambda ops: ([UnavailableError()] * len(ops), [[] for _ in ops]))
        with pytest.raises(UnavailableError):
            committer.run(send_op(ada, conversation, 1))
        failed = health.check_readiness()
    committer.run(send_op(ada, conversation, 2))
    well = health.check_readiness()

    assert failed.components["writePath"].status == "DOWN"
    assert failed.components["writePath"].details["last_commit_ok"] is False
    assert (well.status, well.components["writePath"].details["last_commit_ok"]) == ("UP", True)


def test_after_an_unexpected_fault_the_committer_commits_the_next_write(app, ada_and_bob, monkeypatch, caplog):
    ada, _, conversation = ada_and_bob
    current = committer.current()
    faults = iter([RuntimeError("a fault of looking for locks"), None])
    monkeypatch.setattr(current, "_unpark", lambda: (fault := next(faults, None)) and _throw(fault))

    first = current.run(send_op(ada, conversation, 1))
    second = current.run(send_op(ada, conversation, 2))

    assert [first["message"]["seq"], second["message"]["seq"]] == [1, 2]
    assert "commit_turn_failed" in caplog.text


def test_an_unexpected_fault_of_a_batch_is_reported_to_each_write(app, ada_and_bob, monkeypatch, caplog):
    ada, _, conversation = ada_and_bob
    with monkeypatch.context() as patch:
        patch.setattr(committer, "commit", lambda _ops: _throw(RuntimeError("a fault of the batch")))
        with pytest.raises(AppError):
            committer.run(send_op(ada, conversation, 1))

    assert committer.run(send_op(ada, conversation, 2))["message"]["seq"] == 1
    assert committer.current().state().oldest_seconds == 0
    assert "batch_failed" in caplog.text


def _throw(fault):
    raise fault
