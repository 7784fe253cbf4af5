"""The set-ups that the checker runs on, by name: stores, nodes, what stands before them, and the faults of each."""

import sqlite3
from contextlib import closing

from tests.checker.field import OF_A_NODE, Field


class _Nginx(Field):
    """Nginx before the nodes; what cuts clients stands before it."""

    has_nginx = True


class _Sqlite(Field):
    """One node on a SQLite file, without Redis."""

    node_ids = ("node-1",)
    redis_kind = None
    fault_kinds = OF_A_NODE

    def _start_redis(self) -> None:
        pass

    def _start_database(self) -> None:
        self.database_url = f"sqlite:///{self.folder}/imapp.db"

    def _environ(self, name: str) -> dict[str, str]:
        environ = super()._environ(name)
        del environ["REDIS_URL"]
        return environ

    def put_proxies(self) -> None:
        """A file has no network."""

    def rows(self, sql: str) -> list[tuple]:
        """What the file says."""
        with closing(sqlite3.connect(f"file:{self.folder}/imapp.db?mode=ro", uri=True, timeout=10)) as link:
            return link.execute(sql).fetchall()


SETUPS: dict[str, type[Field]] = {"default": Field, "nginx": _Nginx, "sqlite": _Sqlite}
