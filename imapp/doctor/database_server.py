"""MariaDB or MySQL: what a server must be set to."""

import re
from collections.abc import Callable
from functools import wraps

from imapp.cluster import presence
from imapp.database import IDLE_SECONDS, LOCK_SECONDS
from imapp.doctor.case import Case
from imapp.doctor.database_look import Database, database
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.nodes import examination
from imapp.doctor.runner import Check

#: The oldest versions that were tried, as (major, minor).
_TRIED = {"mariadb": (10, 11), "mysql": (8, 0)}

_CONVERT = (
    "ALTER DATABASE imapp CHARACTER SET utf8mb4; ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
)

#: Share of max_connections beyond which there is no room for migrations and backups.
_ROOM = 0.8


def _of_server(look: Callable[[Case, Database], Finding]) -> Check:
    """Skip it for SQLite."""

    @wraps(look)
    def check(case: Case) -> Finding:
        found = case.once(database)
        return look(case, found) if found.variables else skip("SQLite has no such setting")

    return check


@_of_server
def version(_case: Case, found: Database) -> Finding:
    """One that was tried."""
    number = re.match(r"(\d+)\.(\d+)", found.version)
    tried = _TRIED[found.dialect]
    words = f"{found.dialect} {found.version}"
    if number is None or tuple(map(int, number.groups())) < tried:
        return warn(
            words, f"Older than {tried[0]}.{tried[1]}, the oldest that was tried: update it.", "SELECT VERSION()"
        )
    return ok(words)


@_of_server
def charset(_case: Case, found: Database) -> Finding:
    """utf8mb4 everywhere: in `utf8` an emoji is an error."""
    wrong = [f"connection {name}" for name in {found.variables["character_set_connection"]} - {"utf8mb4"}]
    wrong += [f"database {found.charset}"] if found.charset != "utf8mb4" else []
    wrong += found.foreign_columns
    if wrong:
        cure = "Text that does not fit is refused: convert each table, and the database for those to come."
        return fail(
            ", ".join(wrong),
            cure,
            _CONVERT,
        )
    return ok(f"utf8mb4, the database's collation {found.collation}")


@_of_server
def isolation(_case: Case, found: Database) -> Finding:
    """The nodes ask for READ COMMITTED."""
    level = found.variables.get("transaction_isolation") or found.variables.get("tx_isolation", "")
    if level != "READ-COMMITTED":
        cure = "Something between the nodes and the database (a proxy) changes the session: let it pass SET through."
        return fail(f"{level} instead of READ-COMMITTED", cure, "SELECT @@tx_isolation")
    return ok(level)


@_of_server
def zone(_case: Case, found: Database) -> Finding:
    """The session's zone is UTC; the server's own does not matter to the nodes, but to who looks."""
    if found.zone_seconds:
        cure = "A proxy swallows the session's settings: let it pass SET through."
        return fail(f"the session is {found.zone_seconds:+} s from UTC", cure, "SELECT @@session.time_zone")
    name = found.variables["time_zone"]
    return ok(f"the session is in UTC ({name}), the server's system zone is {found.variables['system_time_zone']}")


@_of_server
def sql_mode(_case: Case, found: Database) -> Finding:
    """What does not fit is an error, not cut."""
    if not {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"} & set(found.variables["sql_mode"].split(",")):
        cure = "Without strict mode it cuts what does not fit and says nothing."
        return fail(
            f"sql_mode {found.variables['sql_mode'] or 'empty'}",
            cure,
            "SET GLOBAL sql_mode='STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
        )
    return ok("strict")


@_of_server
def durability(_case: Case, found: Database) -> Finding:
    """What is acknowledged is on the disk."""
    flush, sync = found.variables["innodb_flush_log_at_trx_commit"], found.variables.get("sync_binlog", "0")
    has_log = found.variables.get("log_bin") == "ON"
    words = f"innodb_flush_log_at_trx_commit {flush}, sync_binlog {sync} (binary log {'on' if has_log else 'off'})"
    if flush != "1":
        cure = "A message that was acknowledged is lost when the power goes: set it to 1."
        return warn(words, cure, "SET GLOBAL innodb_flush_log_at_trx_commit=1")
    return ok(words)


@_of_server
def timeout(case: Case, found: Database) -> Finding:
    """The pool gives a connection up before the server does."""
    if found.dialect == "mysql":
        return skip("the nodes set it for their own connections: see database.locks")
    server, own = int(found.variables["wait_timeout"]), case.settings.db_pool_recycle_seconds
    words = f"wait_timeout {server} s, IM_DB_POOL_RECYCLE_SECONDS {own}"
    if own >= server:
        cure = "The server closes connections that the nodes still hold: lower the node's setting."
        return warn(words, cure, f"IM_DB_POOL_RECYCLE_SECONDS={max(60, server // 2)}")
    return ok(words)


@_of_server
def locks(_case: Case, found: Database) -> Finding:
    """What the nodes ask for is in force: nobody waits long for a lock, and nobody keeps one who has gone."""
    idle = {"mariadb": "idle_transaction_timeout", "mysql": "wait_timeout"}[found.dialect]
    wanted = {idle: IDLE_SECONDS[found.dialect], "innodb_lock_wait_timeout": LOCK_SECONDS}
    words = ", ".join(f"{name} {found.variables.get(name, 'absent')}" for name in wanted)
    if any(found.variables.get(name) != str(seconds) for name, seconds in wanted.items()):
        cure = "A node that is cut off keeps its locks for hours: something (a proxy) swallows SET, let it through."
        return fail(f"{words} in the session", cure, f"SELECT @@session.{idle}")
    return ok(f"{words} s in the session")


@_of_server
def connections(case: Case, found: Database) -> Finding:
    """Room for the pools of all nodes, and of one more during a rolling restart."""
    settings, limit = case.settings, int(found.variables["max_connections"])
    each = settings.db_pool_size + settings.db_pool_overflow + 1
    pools = _pools(case, each)
    needed = sum(pools)
    words = f"nodes take up to {' + '.join(map(str, pools))} of max_connections {limit}; {found.connected} are open"
    command = f"SET GLOBAL max_connections={max(151, 2 * needed)}"
    if needed > limit:
        return fail(words, "Under load the nodes are refused: raise it, or lower IM_DB_POOL_SIZE.", command)
    if needed + each > limit or needed > _ROOM * limit:
        return warn(words, "No room for one node more, a migration, a backup: raise it.", command)
    return ok(words)


def _pools(case: Case, each: int) -> list[int]:
    """What each node may take: as it says, or as this one's settings say for one that is silent."""
    if case.settings.redis_url is None:
        return [each]
    told = [int(one.facts["database_connections"]) for one in case.once(examination).answers]
    silent = len(presence.reports() or []) - len(told)
    return told + [each] * silent or [each]


@_of_server
def packet(case: Case, found: Database) -> Finding:
    """One batch of the committer is one statement."""
    settings, limit = case.settings, int(found.variables["max_allowed_packet"])
    message = max(4 * settings.message_text_max_chars, settings.message_content_max_bytes)
    needed = message * settings.committer_batch_max
    words = f"max_allowed_packet {limit / 2**20:.0f} MiB; the largest batch has {needed / 2**20:.1f} MiB"
    command = f"SET GLOBAL max_allowed_packet={2 ** (2 * needed - 1).bit_length()}"
    if limit < 2 * message:
        return fail(words, "The longest message does not fit: raise it.", command)
    if limit < needed:
        return warn(words, "A batch of long messages is refused, and tried again one by one: raise it.", command)
    return ok(words)


CHECKS: dict[str, Check] = {
    "database.version": version,
    "database.charset": charset,
    "database.isolation": isolation,
    "database.zone": zone,
    "database.sql_mode": sql_mode,
    "database.durability": durability,
    "database.timeout": timeout,
    "database.locks": locks,
    "database.connections": connections,
    "database.packet": packet,
}
