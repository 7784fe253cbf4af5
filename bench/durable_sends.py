"""Compare durable private messages, acknowledged after the commit and then delivered, with stock Flask-SocketIO.

    .venv/bin/python -m bench.durable_sends

Each server runs alone, pinned to core 0; the load client on core 1; MariaDB (private, default durability) is not
pinned. The servers alternate for three rounds; the table shows medians. Writes bench/results/<date>-durable-sends.md.
"""

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.support.mariadb import MariaDb
from tests.support.ports import free_port, wait_for

ROOT = Path(__file__).resolve().parents[1]
SECRET = "bench" * 8
#: The gunicorn worker of Flask-SocketIO's documentation. Its server needs this one if gevent-websocket is installed.
WORKER = "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"
USERS = 200
ROUNDS = 3
SECONDS = 5


REPORT = """# Durable private messages, {day}

Command: `.venv/bin/python -m bench.durable_sends`. {users} connected users in pairs, closed loop, {rounds} rounds of
{seconds} s each, servers taking turns, errors in all runs: {errors}.

Machine: {machine}.
Servers on core 0, the load client on core 1, MariaDB on both. Figures are medians (all
rounds); latencies of acks in milliseconds; "in flight" is per client.

Both acknowledge after the commit and deliver to the receiver. Stock commits each message; ours checks rights and
duplicates, numbers messages, keeps the log of changes, and moves the sender's read mark.

{table}
"""


def environ(folder: Path, database_url: str, port: int) -> dict[str, str]:
    """Return the environment of both servers."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("IM_")}
    return {
        **plain, "DATABASE_URL": database_url, "STOCK_DATABASE_URL": database_url, "SECRET_KEY": SECRET,
        "STOCK_SECRET": SECRET, "IM_DATA_DIR": str(folder), "IM_ENV": "development", "IM_RATE_LIMITS": "off",
        "IM_LOG_LEVEL": "WARNING", "PORT": str(port), "HOST": "127.0.0.1",
    }  # fmt: skip


def command(kind: str, port: int) -> list[str]:
    """Return the command that starts a server."""
    gunicorn = ["taskset", "-c", "0", sys.executable, "-m", "gunicorn"]
    if kind == "ours":
        return gunicorn
    stock = ["-c", "/dev/null", "--no-control-socket", "-k", WORKER, "-w", "1", "--worker-connections", "10000"]
    return [*gunicorn, *stock, "-b", f"127.0.0.1:{port}", "bench.stock.app:app"]


@contextmanager
def serving(kind: str, folder: Path, database_url: str):
    """Run one server during a measurement and yield (port, pid)."""
    port = free_port()
    with (folder / f"{kind}.log").open("ab") as log:
        process = subprocess.Popen(
            command(kind, port), cwd=ROOT, env=environ(folder, database_url, port), stdout=log, stderr=log
        )
    try:
        wait_for(lambda: _listens(port), what=f"the start of {kind}")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return True


def measure(port: int, tokens: Path, window: int) -> dict:
    """Run the load client once and return its result."""
    load = ["taskset", "-c", "1", sys.executable, "-m", "bench.load", "--ports", str(port)]
    load += ["--tokens", str(tokens), "--connections", str(USERS), "--window", str(window), "--seconds", str(SECONDS)]
    ran = subprocess.run(load, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(ran.stdout.splitlines()[-1])


def prepare(folder: Path, database_url: str) -> Path:
    """Create tables and users; return the file of tokens."""
    tokens = folder / "tokens.txt"
    env = environ(folder, database_url, 1)
    for arguments in (["db", "upgrade"], ["im", "load-fixture", "--users", str(USERS), "--out", str(tokens)]):
        subprocess.run([sys.executable, "-m", "flask", "--app", "wsgi", *arguments], cwd=ROOT, env=env, check=True)
    return tokens


def rows(folder: Path, database: str, database_url: str):
    """Yield all measurements on one database as (database, window, kind, result)."""
    tokens = prepare(folder, database_url)
    for _ in range(ROUNDS):
        for kind in ("ours", "stock"):
            with serving(kind, folder, database_url) as port:
                for window in (1, 4):
                    result = measure(port, tokens, window)
                    print(database, kind, window, json.dumps(result), flush=True)
                    yield database, window, kind, result


def table(measured: list[tuple]) -> str:
    """Return the table of medians and ratios."""
    lines = [
        "| | in flight | ours acks/s | stock acks/s | ratio | deliveries/s | ours p50 / p99 | stock p50 / p99 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for database in ("mariadb", "sqlite"):
        for window in (1, 4):
            ours, stock = (
                [result for d, w, k, result in measured if (d, w, k) == (database, window, kind)]
                for kind in ("ours", "stock")
            )
            a, b = ([r["acks"]["per_second"] for r in runs] for runs in (ours, stock))
            ratio = statistics.median(a) / max(1, statistics.median(b))
            lines.append(
                f"| {database} | {window} | **{statistics.median(a):,.0f}** ({_all(a)}) | "
                f"**{statistics.median(b):,.0f}** ({_all(b)}) | **{ratio:.1f}** | "
                f"{statistics.median(r['deliveries']['per_second'] for r in ours):,.0f} | "
                f"{_latency(ours)} | {_latency(stock)} |"
            )
    return "\n".join(lines)


def _all(values: list[int]) -> str:
    return ", ".join(f"{value:,}" for value in values)


def _latency(runs: list[dict]) -> str:
    return " / ".join(f"{statistics.median(run['acks'][p] for run in runs):,.0f}" for p in ("p50", "p99"))


def machine() -> str:
    """Describe the machine."""
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    packages = ("gunicorn", "gevent", "python-socketio", "gevent-websocket", "sqlalchemy", "pymysql")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    database = subprocess.run(["mariadbd", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return (
        f"{os.cpu_count()} cores, {cpu.partition(':')[2].strip()}; Python {platform.python_version()}; {versions}; "
        f"{database or 'MariaDB'}; load average at the end {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Measure everything and write the result file."""
    measured: list[tuple] = []
    with tempfile.TemporaryDirectory() as scratch:
        server = MariaDb(Path(scratch) / "mariadb")
        try:
            for database in ("mariadb", "sqlite"):
                folder = Path(scratch) / database
                folder.mkdir(exist_ok=True)
                url = server.create_database() if database == "mariadb" else f"sqlite:///{folder}/imapp.db"
                measured += rows(folder, database, url)
        finally:
            server.stop()
    day = datetime.now(UTC).date().isoformat()
    text = REPORT.format(
        day=day,
        users=USERS,
        rounds=ROUNDS,
        seconds=SECONDS,
        errors=sum(result["errors"] for *_, result in measured),
        machine=machine(),
        table=table(measured),
    )
    (ROOT / "bench" / "results" / f"{day}-durable-sends.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
