"""A backup while users write: it is of one moment and blocks no user."""

import threading

import pytest
from sqlalchemy import create_engine, text

from imapp.services.messaging import read_marks
from tests.backup.conftest import say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: Queries that give more than zero if rows of two moments are mixed.
MIXTURES = {
    "messages beyond the last one": (
        "SELECT COUNT(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE m.seq > c.last_seq"
    ),
    "conversations with too few messages": (
        "SELECT COUNT(*) FROM conversations c"
        " WHERE c.last_seq <> (SELECT COUNT(*) FROM messages m WHERE m.conversation_id = c.id)"
    ),
    "conversations with too few changes": (
        "SELECT COUNT(*) FROM conversations c"
        " WHERE c.last_change <> (SELECT COUNT(*) FROM changes n WHERE n.conversation_id = c.id)"
    ),
    "read marks beyond the last message": (
        "SELECT COUNT(*) FROM conversation_members m JOIN conversations c ON c.id = m.conversation_id"
        " WHERE m.read_seq > c.last_seq"
    ),
    "versions beyond the counter": (
        "SELECT COUNT(*) FROM conversation_members m JOIN user_states s ON s.user_id = m.user_id"
        " WHERE m.version > s.version"
    ),
}


def test_a_backup_during_writes_is_of_one_moment(app, commands, sample, database_url, tmp_path):
    stop, sent = threading.Event(), []

    def write(name, place):
        with app.app_context():
            while not stop.is_set():
                sent.append(say(sample[name], sample[place])["seq"])
                read_marks.mark_read(sample["ada"], sample[place], sent[-1])

    writers = [
        threading.Thread(target=write, args=pair) for pair in (("bob", "group"), ("bob", "private"), ("eve", "group"))
    ]
    for writer in writers:
        writer.start()
    files = [tmp_path / f"{number}.zip" for number in range(2)]
    for file in files:
        before = len(sent)
        commands.must(database_url, "backup", file, "--part-rows", 100)
        assert len(sent) > before, "the writers were stopped"
    stop.set()
    for writer in writers:
        writer.join(30)

    for file in files:
        restored = f"sqlite:///{file}.db"
        commands.must(restored, "restore", file)
        engine = create_engine(restored)
        with engine.connect() as connection:
            found = {name: connection.execute(text(sql)).scalar_one() for name, sql in MIXTURES.items()}
        engine.dispose()
        assert found == dict.fromkeys(MIXTURES, 0)
