"""Commands that are killed with SIGKILL in the middle and started again."""

import re
import signal

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from imapp.clock import now
from imapp.database.transactions import atomic
from tests.backup.conftest import epoch_of, rows_of, say, wait_until
from tests.support.crowd_of_rows import fill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_restarted_backup_reuses_its_parts_and_is_of_one_moment(commands, sample, database_url, tmp_path):
    file, folder = tmp_path / "im.zip", tmp_path / "im.zip.partial"
    atomic(fill, sample["group"], sample["bob"], 1_500, now())
    process = commands.start(database_url, "backup", file, "--part-rows", 20)
    wait_until(lambda: len(list(folder.glob("*changes.jsonl.gz.note"))) >= 30, process)
    kill(process)
    assert not file.exists()
    say(sample["ada"], sample["private"], "said after the interruption")

    said = commands.must(database_url, "backup", file, "--part-rows", 20)

    reused = int(re.search(r"(\d+) of them from the interrupted backup", said)[1])
    assert reused >= 500, "the parts of the group, which has not changed, were not reused"
    assert not folder.exists()
    restored = f"sqlite:///{tmp_path}/restored.db"
    commands.must(restored, "restore", file, "--keep-sessions")
    assert rows_of(restored) == rows_of(database_url)


def test_conversations_changed_after_the_interruption_are_read_again(commands, sample, database_url, tmp_path):
    file, folder = tmp_path / "im.zip", tmp_path / "im.zip.partial"
    process = commands.start(database_url, "backup", file, "--part-rows", 20)
    wait_until(lambda: len(list(folder.glob("*changes.jsonl.gz.note"))) >= 30, process)
    kill(process)
    say(sample["bob"], sample["group"], "in an early conversation")
    say(sample["bob"], sample["private"], "in a late one")

    commands.must(database_url, "backup", file, "--part-rows", 20)

    restored = f"sqlite:///{tmp_path}/restored.db"
    commands.must(restored, "restore", file, "--keep-sessions")
    assert rows_of(restored) == rows_of(database_url)


def test_a_killed_restore_goes_on_and_ends_complete(commands, sample, database_url, other_url, tmp_path):
    atomic(fill, sample["group"], sample["bob"], 12_000, now())
    file = tmp_path / "im.zip"
    commands.must(database_url, "backup", file)
    process = commands.start(other_url, "restore", file, "--keep-sessions")
    engine = create_engine(other_url)
    wait_until(lambda: count(engine, "changes") >= 2_000, process)
    kill(process)
    there = count(engine, "changes")
    assert there < 14_500, "the restore had ended before it was killed"
    assert epoch_of(other_url).startswith("restoring-")

    said = commands.must(other_url, "restore", file, "--keep-sessions")

    assert "Resumed" in said
    assert rows_of(other_url) == rows_of(database_url)
    assert not epoch_of(other_url).startswith("restoring-")
    engine.dispose()


def count(engine, table):
    """Return the current number of rows; 0 if the table does not exist yet."""
    try:
        with engine.connect() as connection:
            return connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
    except DBAPIError:
        return 0
