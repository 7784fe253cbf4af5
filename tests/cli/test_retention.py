"""`flask im retention`."""

import signal
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.extensions import db
from imapp.models.messages import Message
from imapp.services.messaging.private_conversations import open_private
from tests.backup.conftest import Commands
from tests.support.crowd_of_rows import fill
from tests.support.people import create_users


@pytest.fixture
def old(make_app):
    """Create an app that keeps messages for ten days, with 400 old messages and 5 new ones."""
    app = make_app(retention_messages_days=10)
    with app.app_context():
        ada, bob = create_users("ada", "bob")
        private, _ = open_private(ada, bob)
        atomic(fill, private, ada, 400, now() - timedelta(days=100))
        atomic(fill, private, ada, 5, now())
        db.session.remove()
        yield app


def left():
    found = db.session.scalar(select(func.count()).select_from(Message))
    db.session.remove()
    return found


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--yes", "--dry-run"]], ids=" ".join)
def test_retention_without_yes_only_counts(old, options):
    result = old.test_cli_runner().invoke(args=["im", "retention", *options])

    assert result.exit_code == 0, result.output
    assert "Kept: messages 10 days, changes 10 days, ended sessions 30 days." in result.output
    assert "messages: 400 rows would be deleted" in result.output
    assert "1 conversations" in result.output
    assert "Nothing was deleted" in result.output
    assert left() == 405


@pytest.mark.slow
def test_a_run_killed_in_the_middle_can_be_repeated(old, database_url, tmp_path):
    commands = Commands(tmp_path)
    commands.environ["IM_RETENTION_MESSAGES_DAYS"] = "10"
    process = commands.start(database_url, "retention", "--yes", "--batch", 10, "--pause-ms", 100)
    deadline = time.monotonic() + 60
    while left() > 385:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 5 < left() < 405

    said = commands.must(database_url, "retention", "--yes", "--pause-ms", 0, retention_messages_days=10)

    assert "rows deleted" in said
    assert left() == 5
