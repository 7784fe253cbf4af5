"""Measure reading of history with ten thousand and ten million messages: the product's query, on MariaDB and SQLite.

    .venv/bin/python -m bench.history            # needs about 5 GB of disk for some minutes
    .venv/bin/python -m bench.history --rows 1000000

Fills the product's own tables (200 conversations), calls `services.messages.history` for the newest page, a page in
the middle and one after a seq, and prints times and query plans. Writes bench/results/<date>-history.md.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import event, text

from bench.durable_sends import ROOT, machine
from imapp.extensions import db
from imapp.schemas.messages import HistoryQuery
from imapp.services.messaging import messages
from tests.support import apps
from tests.support.mariadb import MariaDb

CONVERSATIONS = 200
CALLS = 300
PAGE = 50
NOW = "2026-11-23 12:00:00.000"

_MESSAGE = (
    "INSERT INTO messages (conversation_id, seq, `change`, sender_id, client_id, type, content, created_at) "
    "SELECT {conversation}, n.s, n.s, 1 + (n.s & 1), concat('c{conversation}-', n.s), 'text', "
    "concat('{{\"text\":\"message number ', n.s, ' with the usual length of a line in a chat\"}}'), '" + NOW + "' "
    "FROM {numbers} n"
)
_SQLITE_NUMBERS = "(WITH RECURSIVE n(s) AS (SELECT 1 UNION ALL SELECT s + 1 FROM n WHERE s < {count}) SELECT s FROM n)"
_MYSQL_NUMBERS = "(SELECT seq AS s FROM seq_1_to_{count})"


REPORT = """# History, {day}

Command: `.venv/bin/python -m bench.history --rows {large}`. {conversations} conversations; pages of {page};
{calls} calls each of `services.messages.history` (membership check and page), after a warm-up.

Machine: {machine}.

Milliseconds, median / p99:

| database | messages | newest page | before a seq | after a seq | filled in |
|---|---|---|---|---|---|
{lines}

## Query plans at the large size

Newest page, before, after; the second table holds the messages that users deleted for themselves.

{plans}
"""


def fill(dialect: str, rows: int) -> None:
    """Create two users and `rows` messages, spread over the conversations."""
    count = rows // CONVERSATIONS
    numbers = (_SQLITE_NUMBERS if dialect == "sqlite" else _MYSQL_NUMBERS).format(count=count)
    with db.engine.connect() as connection:
        for user in (1, 2):
            connection.execute(_user(user))
        for conversation in range(1, CONVERSATIONS + 1):
            for statement in _conversation(conversation, count):
                connection.execute(text(statement))
            insert = _MESSAGE.format(conversation=conversation, numbers=numbers)
            insert = insert if dialect != "sqlite" else _for_sqlite(insert)
            connection.exec_driver_sql(insert)
            connection.commit()


def _for_sqlite(insert: str) -> str:
    """Return the statement with || instead of concat(), which SQLite 3.40 lacks."""
    pieces = insert.replace("concat('c", "('c").replace("-', n.s)", "-' || n.s)")
    pieces = pieces.replace("concat('{", "('{").replace("number ', n.s, ' with", "number ' || n.s || ' with")
    return pieces.replace("`change`", "change")


def _user(number: int):
    return text(
        "INSERT INTO users "
        "(id, username, username_key, nickname, nickname_key, bio, password_hash, is_operator, created_at) "
        f"VALUES ({number}, 'u{number}', 'u{number}', 'u{number}', 'u{number}', '', '-', 0, '{NOW}')"
    )


def _conversation(number: int, count: int) -> list[str]:
    made = f"({number}, 'group', {count}, {count}, '{NOW}', '{NOW}')"
    members = ", ".join(f"({number}, {user}, 'member', '{NOW}', 0, 0, 0, 0)" for user in (1, 2))
    columns = "conversation_id, user_id, role, joined_at, read_seq, is_muted, is_marked_unread, version"
    return [
        f"INSERT INTO conversations (id, type, last_seq, last_change, active_at, created_at) VALUES {made}",
        f"INSERT INTO conversation_members ({columns}) VALUES {members}",
    ]


def queries(count: int) -> dict:
    """Return the three ways to read, each at a random position."""
    return {
        "newest page": lambda: HistoryQuery(limit=PAGE),
        "before a seq": lambda: HistoryQuery(before=random.randint(2, count), limit=PAGE),
        "after a seq": lambda: HistoryQuery(after=random.randint(0, count - 1), limit=PAGE),
    }


def times(rows: int) -> dict[str, tuple[float, float]]:
    """Return median and p99 of each way in milliseconds, over random conversations."""
    found = {}
    for name, query in queries(rows // CONVERSATIONS).items():
        taken = []
        for _ in range(CALLS):
            conversation, wanted = random.randint(1, CONVERSATIONS), query()
            started = time.perf_counter()
            messages.history(1, conversation, wanted)
            taken.append((time.perf_counter() - started) * 1000)
            db.session.remove()
        found[name] = (statistics.median(taken), sorted(taken)[CALLS * 99 // 100])
    return found


def plans(dialect: str, rows: int) -> list[str]:
    """Return the database's query plans for the product's statements."""
    seen: list[tuple] = []

    def note(_connection, _cursor, statement, parameters, *_rest) -> None:
        if "FROM messages" in statement:
            seen.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    for query in queries(rows // CONVERSATIONS).values():
        messages.history(1, 7, query())
    event.remove(db.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if dialect == "sqlite" else "EXPLAIN "
    with db.engine.connect() as connection:
        return [
            "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(explain + statement, parameters))
            for statement, parameters in seen
        ]


def measure(url: str, folder: Path, rows: int) -> tuple[dict, list[str], float]:
    """Fill one database and measure reads from it."""
    apps.migrate(url, folder)
    app = apps.make_app(url, folder, db_read_timeout_seconds=60)
    with app.app_context():
        started = time.monotonic()
        fill(db.engine.dialect.name, rows)
        took = time.monotonic() - started
        times(rows)  # warm-up
        result = times(rows), plans(db.engine.dialect.name, rows), took
    apps.close_app(app)
    return result


def main() -> None:
    """Measure small and large on both databases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    large = parser.parse_args().rows
    lines, plan_texts = [], []
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as scratch:  # noqa: S108 - on disk
        server = MariaDb(Path(scratch) / "mariadb", "--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M")
        try:
            for database in ("mariadb", "sqlite"):
                for rows in (10_000, large):
                    folder = Path(scratch) / f"{database}-{rows}"
                    folder.mkdir()
                    url = server.create_database() if database == "mariadb" else f"sqlite:///{folder}/imapp.db"
                    found, plan, took = measure(url, folder, rows)
                    cells = " | ".join(f"{median:.2f} / {p99:.2f}" for median, p99 in found.values())
                    lines.append(f"| {database} | {rows:,} | {cells} | {took:.0f} s |")
                    print(lines[-1], flush=True)
                    if rows == large:
                        plan_texts.append(f"### {database}\n\n```\n" + "\n\n".join(plan) + "\n```")
        finally:
            server.stop()
    day = datetime.now(UTC).date().isoformat()
    report = REPORT.format(
        day=day,
        large=large,
        conversations=CONVERSATIONS,
        page=PAGE,
        calls=CALLS,
        machine=machine(),
        lines="\n".join(lines),
        plans="\n\n".join(plan_texts),
    )
    (ROOT / "bench" / "results" / f"{day}-history.md").write_text(report)


if __name__ == "__main__":
    main()
