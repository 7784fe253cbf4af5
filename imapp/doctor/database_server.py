"""Checks of the settings of a MariaDB or MySQL server."""

import re
from collections.abc import Callable
from functools import wraps

from imapp.cluster.registry import presence
from imapp.database.engines import IDLE_SECONDS, LOCK_SECONDS
from imapp.doctor.context import Context
from imapp.doctor.database_state import Database, database
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.nodes import examination
from imapp.doctor.runner import Check

#: The oldest tested versions, as (major, minor).
_TRIED = {"mariadb": (10, 11), "mysql": (8, 0)}

_CONVERT = (
    "ALTER DATABASE imapp CHARACTER SET utf8mb4; ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
)

#: Share of max_connections above which too few connections are left for migrations and backups.
_ROOM = 0.8


def _of_server(judge: Callable[[Context, Database], Finding]) -> Check:
    """Make a check that is skipped for SQLite."""

    @wraps(judge)
    def check(context: Context) -> Finding:
        found = context.once(database)
        return judge(context, found) if found.variables else skip("SQLite has no such setting")

    return check


@_of_server
def version(_context: Context, found: Database) -> Finding:
    """Check that the version is a tested one."""
    number = re.match(r"(\d+)\.(\d+)", found.version)
    tried = _TRIED[found.dialect]
    words = f"{found.dialect} {found.version}"
    if number is None or tuple(map(int, number.groups())) < tried:
        return warn(words, f"Update it: {tried[0]}.{tried[1]} is the oldest tested version.", "SELECT VERSION()")
    return ok(words)


@_of_server
def charset(_context: Context, found: Database) -> Finding:
    """Check for utf8mb4 everywhere: with `utf8` an emoji is refused."""
    wrong = [f"connection {name}" for name in {found.variables["character_set_connection"]} - {"utf8mb4"}]
    wrong += [f"database {found.charset}"] if found.charset != "utf8mb4" else []
    wrong += found.foreign_columns
    if wrong:
        cure = "Text with other characters is refused: convert each table, and the database for future tables."
        return fail(
            ", ".join(wrong),
            cure,
            _CONVERT,
        )
    return ok(f"utf8mb4, the database's collation {found.collation}")


@_of_server
def isolation(_context: Context, found: Database) -> Finding:
    """Check that the isolation level is READ COMMITTED, as the nodes request it."""
    level = found.variables.get("transaction_isolation") or found.variables.get("tx_isolation", "")
    if level != "READ-COMMITTED":
        cure = "A proxy before the database changes the session's settings: make it pass SET statements on."
        return fail(f"{level} instead of READ-COMMITTED", cure, "SELECT @@tx_isolation")
    return ok(level)


@_of_server
def zone(_context: Context, found: Database) -> Finding:
    """Check that the session's time zone is UTC. The server's own zone matters only for queries by hand."""
    if found.zone_seconds:
        cure = "A proxy before the database drops the session's settings: make it pass SET statements on."
        return fail(f"the session is {found.zone_seconds:+} s from UTC", cure, "SELECT @@session.time_zone")
    name = found.variables["time_zone"]
    return ok(f"the session is in UTC ({name}), the server's system zone is {found.variables['system_time_zone']}")


@_of_server
def sql_mode(_context: Context, found: Database) -> Finding:
    """Check for strict mode, in which a value that is too long is an error."""
    if not {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"} & set(found.variables["sql_mode"].split(",")):
        cure = "Turn strict mode on: without it the server truncates values that are too long, without an error."
        return fail(
            f"sql_mode {found.variables['sql_mode'] or 'empty'}",
            cure,
            "SET GLOBAL sql_mode='STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
        )
    return ok("strict")


@_of_server
def durability(_context: Context, found: Database) -> Finding:
    """Check that a commit is on the disk before it is acknowledged."""
    flush, sync = found.variables["innodb_flush_log_at_trx_commit"], found.variables.get("sync_binlog", "0")
    has_log = found.variables.get("log_bin") == "ON"
    words = f"innodb_flush_log_at_trx_commit {flush}, sync_binlog {sync} (binary log {'on' if has_log else 'off'})"
    if flush != "1":
        cure = "Set it to 1: otherwise a power failure loses acknowledged messages."
        return warn(words, cure, "SET GLOBAL innodb_flush_log_at_trx_commit=1")
    return ok(words)


@_of_server
def timeout(context: Context, found: Database) -> Finding:
    """Check that the pool replaces a connection before the server closes it."""
    if found.dialect == "mysql":
        return skip("the nodes set wait_timeout for their own connections: see database.locks")
    server, own = int(found.variables["wait_timeout"]), context.settings.db_pool_recycle_seconds
    words = f"wait_timeout {server} s, IM_DB_POOL_RECYCLE_SECONDS {own}"
    if own >= server:
        cure = "Lower the node's setting: the server closes connections that are still in the pool."
        return warn(words, cure, f"IM_DB_POOL_RECYCLE_SECONDS={max(60, server // 2)}")
    return ok(words)


@_of_server
def locks(_context: Context, found: Database) -> Finding:
    """Check the nodes' time limits in the session: on waiting for a lock, and on locks of lost connections."""
    idle = {"mariadb": "idle_transaction_timeout", "mysql": "wait_timeout"}[found.dialect]
    wanted = {idle: IDLE_SECONDS[found.dialect], "innodb_lock_wait_timeout": LOCK_SECONDS}
    words = ", ".join(f"{name} {found.variables.get(name, 'absent')}" for name in wanted)
    if any(found.variables.get(name) != str(seconds) for name, seconds in wanted.items()):
        cure = "A proxy drops SET statements; make it pass them on. Else a node that is cut off keeps locks for hours."
        return fail(f"{words} in the session", cure, f"SELECT @@session.{idle}")
    return ok(f"{words} s in the session")


@_of_server
def connections(context: Context, found: Database) -> Finding:
    """Check for enough connections for the pools of all nodes, and of one more during a rolling restart."""
    settings, limit = context.settings, int(found.variables["max_connections"])
    each = settings.db_pool_size + settings.db_pool_overflow + 1
    pools = _pools(context, each)
    needed = sum(pools)
    words = f"nodes use up to {' + '.join(map(str, pools))} of max_connections {limit}; {found.connected} are open"
    command = f"SET GLOBAL max_connections={max(151, 2 * needed)}"
    if needed > limit:
        return fail(words, "Raise it, or lower IM_DB_POOL_SIZE: under load connections are refused.", command)
    if needed + each > limit or needed > _ROOM * limit:
        return warn(words, "Raise it: none are left for another node, a migration or a backup.", command)
    return ok(words)


def _pools(context: Context, each: int) -> list[int]:
    """Return the maximum of each node's connections: its own answer, or this node's settings for a silent node."""
    if context.settings.redis_url is None:
        return [each]
    told = [int(one.facts["database_connections"]) for one in context.once(examination).answers]
    silent = len(presence.cluster().reports() or []) - len(told)
    return told + [each] * silent or [each]


@_of_server
def packet(context: Context, found: Database) -> Finding:
    """Check max_allowed_packet: the committer sends a batch of messages as one statement."""
    settings, limit = context.settings, int(found.variables["max_allowed_packet"])
    message = max(4 * settings.message_text_max_chars, settings.message_content_max_bytes)
    needed = message * settings.committer_batch_max
    words = f"max_allowed_packet {limit / 2**20:.0f} MiB; the largest batch has {needed / 2**20:.1f} MiB"
    command = f"SET GLOBAL max_allowed_packet={2 ** (2 * needed - 1).bit_length()}"
    if limit < 2 * message:
        return fail(words, "Raise it: the longest message does not fit.", command)
    if limit < needed:
        return warn(words, "Raise it: a batch of long messages is refused and retried one by one.", command)
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
