"""The operator's commands in processes of their own, and databases of both kinds to restore into."""

import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, select

from imapp.clock import now
from imapp.database.transactions import atomic
from imapp.extensions import Base
from imapp.schemas.contacts import ContactRequestIn
from imapp.schemas.groups import GroupIn
from imapp.schemas.messages import EditMessage, HideMessages, MessageDraft
from imapp.services.contacts import contact_requests
from imapp.services.groups import groups
from imapp.services.messaging import hidden_messages, messages, reactions
from imapp.services.messaging.private_conversations import open_private
from tests.support import apps
from tests.support.crowd_of_rows import fill
from tests.support.people import create_users
from tests.support.ports import free_port
from tests.support.server import ROOT


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request):
    """Back up databases of both kinds."""
    return request.param


@pytest.fixture(params=["sqlite", "mariadb"])
def other_url(request, tmp_path):
    """Make an empty database, without tables, to restore into; return its URL."""
    if request.param == "sqlite":
        (tmp_path / "other").mkdir()
        return f"sqlite:///{tmp_path}/other/imapp.db"
    return request.getfixturevalue("mariadb").create_database()


class Commands:
    """`flask im ...` on a database: in a process of its own, which a test may kill, or in this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("IM_")}
        self.environ = {
            **inherited, "IM_DATA_DIR": str(folder / "operator"), "IM_ENV": "test", "PORT": str(free_port()),
            "SECRET_KEY": "t" * 32,
        }  # fmt: skip

    def start(self, url: str, *arguments: object) -> subprocess.Popen:
        """Start a command; return its process."""
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "im", *map(str, arguments)]
        environ = {**self.environ, "DATABASE_URL": url}
        return subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def must(self, url: str, *arguments: object, **settings: object) -> str:
        """Run a command in this process, which starts sooner; return its output. The command must succeed."""
        app = apps.make_app(url, self.folder, **settings)
        with app.app_context():
            ran = app.test_cli_runner().invoke(args=["im", *map(str, arguments)])
        apps.close_app(app)
        assert ran.exit_code == 0, (ran.output, ran.exc_info)
        return ran.output


@pytest.fixture
def im(app):
    """Provide `im(*args)`, which runs a command on this test's app."""

    def run(*args, **options):
        return app.test_cli_runner().invoke(args=["im", *map(str, args)], **options)

    return run


@pytest.fixture
def commands(tmp_path) -> Commands:
    """Provide the operator's commands."""
    return Commands(tmp_path)


def rows_of(url: str, without: dict[str, set[str]] | None = None) -> dict[str, list[tuple]]:
    """Return the rows of all tables but the server's own state and the operators' acts, ordered by key.

    `without`: columns to omit, by table.
    """
    hidden = without or {}
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: [
                tuple(row)
                for row in connection.execute(
                    select(*(c for c in table.columns if c.name not in hidden.get(table.name, ()))).order_by(
                        *table.primary_key
                    )
                )
            ]
            for table in Base.metadata.sorted_tables
            if table.name not in {"server_state", "admin_acts"}
        }
    engine.dispose()
    return found


def epoch_of(url: str) -> str:
    """Return the epoch of a database: the name of its history."""
    engine = create_engine(url)
    with engine.connect() as connection:
        epoch = connection.exec_driver_sql("SELECT epoch FROM server_state").scalar_one()
    engine.dispose()
    return epoch


def wait_until(condition, process: subprocess.Popen, seconds: float = 60) -> None:
    """Wait until the condition holds; the process must run until then."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.001)


def say(user_id: int, conversation_id: int, text: str = "hello", **more) -> dict:
    """Send a text; return the message."""
    draft = MessageDraft(client_id=uuid4().hex, type="text", content={"text": text}, **more)
    return messages.send(user_id, conversation_id, draft)["message"]


@pytest.fixture
def sample(app) -> dict[str, int]:
    """Store sample data in each table that refers to messages; return the ids by name."""
    ada, bob, eve = create_users("ada", "bob", "eve")
    group = groups.create(ada, GroupIn(name="Höhle 🕳", member_ids=[bob, eve])).id
    private, _ = open_private(ada, bob)
    request, _ = contact_requests.send(ada, ContactRequestIn(user_id=bob, message="hi"))
    contact_requests.accept(bob, request.id)
    first = say(ada, group, "你好 👋", mentions=[bob])
    reactions.react(bob, first["id"], "👍", remove=False)
    reactions.react(eve, first["id"], "🎉", remove=False)
    messages.edit(ada, EditMessage(message_id=first["id"], content={"text": "edited"}))
    messages.set_pin(ada, first["id"], pin=True)
    messages.recall(bob, say(bob, group)["id"])
    hidden_messages.hide(eve, HideMessages(message_ids=[first["id"]]))
    atomic(fill, private, ada, 2_500, now())
    return {"ada": ada, "bob": bob, "eve": eve, "group": group, "private": private}
