"""A private MariaDB server with its own data folder and port."""

import atexit
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import pymysql

from tests.support.ports import free_port, wait_for
from tests.support.process import ServerProcess

_MISSING = "mariadbd is missing: apt-get install mariadb-server (scripts/test.sh does it)"


def _program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    assert found, _MISSING
    return found


def _as(account: str) -> list[str]:
    return [f"--user={account}"] if os.geteuid() == 0 else []


@cache
def _new_data() -> Path:
    """Make the data folder of a new server, once for each process of the tests; each server gets a copy."""
    scratch = Path(tempfile.mkdtemp(prefix="imapp-mariadb-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    atexit.register(shutil.rmtree, scratch)
    install = [_program("mariadb-install-db"), "--no-defaults", f"--datadir={scratch}/data", *_as("root")]
    install += ["--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return scratch / "data"


class MariaDb(ServerProcess):
    """A server with the default durability: each commit is on disk before it is answered."""

    #: The account that the server runs as if the tests run as root.
    account = "root"

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_new_data(), folder / "data")
        for path in [folder / "data", *(folder / "data").rglob("*")] if os.geteuid() == 0 else []:
            shutil.chown(path, self.account)
        self.start()

    def start(self) -> None:
        """Start (again) and wait until it answers."""
        command = [
            _program("mariadbd"), "--no-defaults", *_as(self.account), f"--datadir={self.folder}/data",
            f"--socket={self.folder}/s", f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--pid-file={self.folder}/pid", "--character-set-server=utf8mb4", "--skip-log-bin", *self.options,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._answers, what="the start of MariaDB")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            self.query("SELECT 1")
        except pymysql.err.MySQLError:
            return False
        return True

    def query(self, sql: str, database: str | None = None) -> list[tuple]:
        """Run a statement as root; return the rows."""
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True, connect_timeout=5
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            connection.close()

    @contextmanager
    def locked(self, table: str) -> Iterator[Callable[[], None]]:
        """Lock a table for reads and writes; yield a function that unlocks it, as the end of the block does."""
        with closing(pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True)) as link:
            cursor = link.cursor()
            cursor.execute(f"LOCK TABLES {table} WRITE")
            yield lambda: cursor.execute("UNLOCK TABLES")

    def create_database(self) -> str:
        """Make an empty database; return its URL."""
        name = f"im_{secrets.token_hex(4)}"
        self.query(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/{name}"

    def connections(self) -> list[int]:
        """Return the ids of all connections but the querying one."""
        rows = self.query(
            "SELECT id FROM information_schema.processlist"
            " WHERE id <> CONNECTION_ID() AND user = 'root' AND command <> 'Killed'"
        )
        return [row[0] for row in rows]

    def cut_connections(self) -> int:
        """Cut all connections; return their number."""
        cut = self.connections()
        if cut:
            statements = "; ".join(f"KILL CONNECTION {one}" for one in cut)
            self.query(f"BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; {statements}; END")
        return len(cut)
