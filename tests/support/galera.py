"""A private Galera cluster: MariaDB servers that all accept writes, on ports and in folders of their own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql

from tests.support.mariadb import MariaDb
from tests.support.ports import free_port, wait_for

#: Paths of the library in Debian, Ubuntu and the RPM packages (package galera-4, a dependency of mariadb-server).
_PROVIDERS = (Path("/usr/lib/galera/libgalera_smm.so"), Path("/usr/lib64/galera-4/libgalera_smm.so"))

#: A member that is silent for longer is expelled. The defaults of the last two are 5 and 15 s, too long for tests.
_TIMEOUTS = (
    "evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT5S"
)


def _provider() -> Path:
    found = [path for path in _PROVIDERS if path.exists()]
    assert found, "libgalera_smm.so is missing: apt-get install galera-4 (mariadb-server brings it)"
    return found[0]


def _give_to_server(folder: Path) -> None:
    """Make the folder, and give it to `mysql` if the tests run as root.

    A member that runs as root would receive its data by an rsync that runs as nobody, which may not write it.
    """
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "mysql")


class Member(MariaDb):
    """A server of the cluster."""

    account = "mysql"

    def __init__(self, folder: Path, peers: list["Member"]) -> None:
        _give_to_server(folder)
        self.group_port, self.transfer_port = free_port(), free_port()
        super().__init__(folder, *self._replication(peers))

    def _replication(self, peers: list["Member"]) -> list[str]:
        addresses = ",".join(f"127.0.0.1:{peer.group_port}" for peer in peers)
        provider = f"base_port={self.group_port};gmcast.listen_addr=tcp://127.0.0.1:{self.group_port};{_TIMEOUTS};gcache.size=16M"
        return [
            "--wsrep-on=ON", f"--wsrep-provider={_provider()}", "--wsrep-cluster-name=imapp-tests",
            f"--wsrep-cluster-address=gcomm://{addresses}", f"--wsrep-node-address=127.0.0.1:{self.group_port}",
            f"--wsrep-provider-options={provider};ist.recv_addr=127.0.0.1:{free_port()}",
            "--wsrep-sst-method=rsync", f"--wsrep-sst-receive-address=127.0.0.1:{self.transfer_port}",
            "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-slave-threads=2",
        ]  # fmt: skip

    def join(self, peers: list["Member"]) -> None:
        """Start again as a member of the peers' cluster."""
        self.options = tuple(self._replication(peers))
        self.start()

    @contextmanager
    def lagging(self) -> Iterator[None]:
        """Stop applying the other members' commits inside the block; reads go on."""
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root")
        try:
            connection.cursor().execute("FLUSH TABLES WITH READ LOCK")
            yield
        finally:
            connection.close()

    def status(self, name: str) -> str:
        """Return a status variable of wsrep, named without its prefix."""
        return self.query(f"SHOW STATUS LIKE 'wsrep_{name}'")[0][1]

    def is_synced(self, members: int) -> bool:
        """Return whether it is in a cluster of `members` and has all their data."""
        try:
            return (self.status("cluster_size"), self.status("local_state_comment")) == (str(members), "Synced")
        except (pymysql.err.MySQLError, IndexError):
            return False


class Galera:
    """Three members, in a folder that `mysql` may enter; pytest's own folders are open to root only."""

    def __init__(self, members: int = 3) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="imapp-galera-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
        self.folder.chmod(0o755)
        self.members: list[Member] = []
        try:
            for number in range(members):
                self.members.append(Member(self.folder / f"member{number + 1}", self.members))
            self.wait_until_synced()
        except BaseException:
            self.stop()
            raise

    def wait_until_synced(self) -> None:
        """Wait until all running members form one cluster."""
        running = self.running
        wait_for(lambda: all(one.is_synced(len(running)) for one in running), what="one Galera cluster")

    @property
    def running(self) -> list[Member]:
        """The members with a running process."""
        return [one for one in self.members if one.process is not None and one.process.poll() is None]

    def heal(self) -> None:
        """Start killed members and thaw frozen ones; wait until all form one cluster."""
        for one in self.members:
            peers = [other for other in self.running if other is not one]
            if one not in self.running:
                one.join(peers)
            else:
                one.thaw()
        self.wait_until_synced()

    def create_database(self) -> list[str]:
        """Make an empty database; return its URL on each member."""
        name = self.members[0].create_database().rsplit("/", 1)[-1]
        return [f"mysql+pymysql://root@127.0.0.1:{one.port}/{name}" for one in self.members]

    def stop(self) -> None:
        """Stop all members and remove the folder."""
        for one in self.members:
            one.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
