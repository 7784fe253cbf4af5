"""The settings of a node: type, limits, default and meaning of each.

Constructing `Settings(...)` does not read the environment, so a test passes every value that it needs.
`config.load_settings()` reads the environment. The field `data_dir` is the variable IM_DATA_DIR; names that are
common to other software (DATABASE_URL, PORT, ...) have no prefix. `flask im export-settings`
writes docs/settings.md from this file.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

PROJECT = Path(__file__).resolve().parent.parent

#: Variables without the prefix IM_, because their names are common to other software.
_UNPREFIXED = {
    "database_url", "redis_url", "node_id", "secret_key", "secret_key_previous", "host", "port", "socketio_port"
}  # fmt: skip


# Checked by patterns, without importing SQLAlchemy and limits: gunicorn's master reads the settings, and modules that
# the master imports are not patched by gevent before their import in the worker.
_DATABASE_URL = re.compile(r"sqlite:///(?!:memory:).+|(mysql|mariadb)(\+pymysql)?://[^/\s]+/\w[^\s]*")
_DATABASE_WORDS = "sqlite:///FILE, mysql://USER:PASSWORD@HOST/NAME or mariadb://USER:PASSWORD@HOST/NAME"
_REDIS_WORDS = (
    "redis://[USER:PASSWORD@]HOST[:PORT][/DB], unix:///SOCKET, redis+sentinel://HOST:PORT,HOST:PORT/MASTER[/DB] or "
    "redis+cluster://HOST:PORT,HOST:PORT; rediss instead of redis for TLS, and ?ssl_ca_certs=FILE at the end for your "
    "own CA"
)
_REDIS_URL = re.compile(
    r"rediss?://[^/\s,]+(/\d+)?(\?\S*)?|unix://(\S*@)?/\S+"
    r"|rediss?\+sentinel://[^/\s]+/[\w.-]+(/\d+)?(\?\S*)?|rediss?\+cluster://[^/?\s]+/?(\?\S*)?"
)
#: Any scheme, because hybrid apps have their own; the host may be empty, because file:// has none.
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([^/\s,:*@\[\]]*|\[[0-9a-f:.]+\])(?::(\d{1,5}))?/?")
_ORIGIN_WORDS = (
    "like https://chat.example.org, https://chat.example.org:8443, capacitor://localhost, file://, null or *"
)
_OWN_PORTS = {"http": "80", "https": "443"}
_RATE = r"\d+/(\d+ ?)?(second|minute|hour|day)s?"
_RATES = rf"^{_RATE}(;{_RATE})*$"


@dataclass(frozen=True)
class Allowed:
    """A description of the allowed values, for fields with a type that does not show them."""

    words: str


def _database_url(value: str) -> str:
    if not _DATABASE_URL.fullmatch(value):
        raise ValueError("it must be " + _DATABASE_WORDS)
    return re.sub(r"^(mysql|mariadb)://", r"\1+pymysql://", value)


def _redis_url(value: str) -> str:
    if not _REDIS_URL.fullmatch(value):
        raise ValueError("it must be " + _REDIS_WORDS)
    return value


def _secret(value: str) -> str:
    if len(value.encode()) < 32:
        raise ValueError("it must be 32 bytes or longer")
    return value


def _parts(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _origin(value: str) -> str:
    """Return an origin as browsers send it: in lower case, the host in ASCII, without the scheme's default port."""
    value = value.lower()
    if value in {"*", "null"}:
        return value
    found = _ORIGIN.fullmatch(value)
    if found is None or not (found[2] or found[1] not in _OWN_PORTS):
        raise ValueError(f"it must be {_ORIGIN_WORDS}; a * inside a name is not allowed")
    scheme, host, port = found.groups()
    if not host.isascii():
        host = host.encode("idna").decode()
    return f"{scheme}://{host}" + ("" if port is None or _OWN_PORTS.get(scheme) == port else f":{port}")


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Folder = Annotated[
    Path, AfterValidator(lambda path: path.expanduser().resolve()), Allowed("a folder that can be written to")
]
DatabaseUrl = Annotated[
    str,
    AfterValidator(_database_url),
    Allowed(_DATABASE_WORDS),
]
RedisUrl = Annotated[str, AfterValidator(_redis_url), Allowed(_REDIS_WORDS)]
Secret = Annotated[str, AfterValidator(_secret), Allowed("32 bytes or longer")]
Rate = Annotated[str, Field(pattern=_RATES), Allowed("like 10/minute or 30/second;600/hour")]
Origin = Annotated[str, AfterValidator(_origin)]
Network = Annotated[str, AfterValidator(lambda value: str(ip_network(value)))]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$"), Allowed("1 to 32 of A-Z a-z 0-9 _ . -")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]+$"), Allowed("a host name or an IP address")]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]
File = Annotated[Path, AfterValidator(lambda path: path.expanduser().resolve()), Allowed("a file in a writable folder")]


class Chapter(BaseModel):
    """Settings that belong together: a section of docs/settings.md."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    #: The heading of the section.
    title: ClassVar[str]


class NodeSettings(Chapter):
    title = "The node"

    env: Literal["production", "development", "test"] = Field(
        "production", description="The kind of installation. Test data cannot be loaded in production."
    )
    node_id: Name = Field("node-1", description="The name of this node, unique in its cluster.")
    host: Host = Field("127.0.0.1", description="The address to listen on. 0.0.0.0 is every IPv4 address.")
    port: int = Field(8080, ge=1, le=65_535, description="The port to listen on.")
    socketio_port: int | None = Field(
        None, ge=1, le=65_535, description="A second port to listen on, for a proxy that separates Socket.IO from REST."
    )
    data_dir: Folder = Field(
        PROJECT / "instance", description="The folder of the embedded database and of the generated secrets."
    )
    log_level: Level = Field("INFO", description="The lowest severity that is logged.")
    log_format: Literal["text", "json"] = Field(
        "text", description="text: readable lines, coloured on a terminal; json: one JSON object per line."
    )
    log_file: Annotated[File | None, Allowed("a file in a writable folder")] = Field(
        None, description="The log file; the node rotates it. Unset: the log goes to standard error."
    )
    log_file_max_bytes: int = Field(
        52_428_800,
        ge=1024,
        le=10_737_418_240,
        description="The size in bytes at which the log file is renamed to FILE.1 and a new one is started.",
    )
    log_file_count: int = Field(10, ge=1, le=1000, description="Rotated log files to keep. FILE.1 is the newest.")
    log_lines_per_second: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="Log lines per second of one event; further lines are only counted. 0: no limit.",
    )
    access_log: bool = Field(
        False,
        description="Log a line for each REST request; for the probes under /actuator/ only if the request fails.",
    )
    shutdown_timeout_seconds: int = Field(
        10, ge=1, le=300, description="Seconds in which a stopping node must finish its work."
    )
    stats_visibility: Literal["everyone", "operators"] = Field(
        "operators",
        description="Users with access to the ids of the online users at /api/stats/online: operators, or every "
        "logged-in user. Everyone may read the counts.",
    )
    presence_group_max_members: int = Field(
        100,
        ge=0,
        le=10_000,
        description="The largest group, in members, in which members may ask whether other members are online. "
        "0: in no group.",
    )

    health_details: Literal["local", "operators", "always"] = Field(
        "local",
        description="Access to the metrics, and to versions, sizes and errors in health and info. local: this machine"
        " and IM_OPERATOR_NETWORKS, if they do not come through a proxy, and operators with their token; operators:"
        " operators only; always: everyone. All other requests see only UP or DOWN.",
    )
    operator_networks: Annotated[
        tuple[Network, ...],
        BeforeValidator(_parts),
        Allowed("addresses or networks like 10.0.0.0/8, separated by commas"),
    ] = Field(
        (),
        description="Addresses of the machines on which Prometheus or Zabbix runs. Needed with IM_HEALTH_DETAILS=local"
        " if that is not this machine.",
    )
    disk_threshold_bytes: int = Field(
        52_428_800,
        ge=0,
        le=2**60,
        description="The node is not ready while the disk of IM_DATA_DIR has fewer free bytes. Default: 50 MiB.",
    )
    commit: Annotated[str | None, Field(pattern=r"^[0-9A-Za-z._-]{1,64}$"), Allowed("1 to 64 of A-Z a-z 0-9 . _ -")] = (
        Field(None, description="The commit of the source, shown by /actuator/info. Unset: read from git, if possible.")
    )
    history_step_seconds: int = Field(
        60,
        ge=1,
        le=3600,
        description="Seconds between two points of the statistics' history; up to 1440 points of the last 24 hours are "
        "kept. Must be the same on all nodes.",
    )


class DatabaseSettings(Chapter):
    title = "Database"

    database_url: DatabaseUrl = Field(
        default_factory=lambda data: f"sqlite:///{data['data_dir']}/imapp.db",
        repr=False,
        description="The address of the database. Unset: SQLite in IM_DATA_DIR.",
    )


class ClusterSettings(Chapter):
    title = "The cluster"

    redis_url: Annotated[RedisUrl | None, Allowed(_REDIS_WORDS)] = Field(
        None, repr=False, description="The Redis that connects the nodes of a cluster. Unset: a single node."
    )
    cluster_name: Name = Field("imapp", description="The prefix of every Redis key and channel of this cluster.")
    redis_at_start: Literal["wait", "refuse"] = Field(
        "wait",
        description="If Redis is unavailable when the node starts: start unready and wait for it, or refuse to start.",
    )
    ready_without_redis: bool = Field(False, description="Whether a node that cannot reach Redis counts as ready.")
    node_lease_seconds: int = Field(
        8,
        ge=3,
        le=60,
        description="Seconds without a heartbeat after which a node counts as dead and its users as offline.",
    )
    bus_queue_max_bytes: int = Field(
        16_777_216,
        ge=65_536,
        le=1_073_741_824,
        description="Bytes of pushes to other nodes that may wait for Redis. Further pushes are dropped, and the "
        "clients concerned are told to sync.",
    )


class DatabaseConnectionSettings(Chapter):
    title = "Database connections"

    db_pool_size: int = Field(10, ge=1, le=200, description="Connections to MySQL or MariaDB that a node keeps open.")
    db_pool_overflow: int = Field(
        10,
        ge=0,
        le=200,
        description="Connections that a node may open at a peak beyond IM_DB_POOL_SIZE. Nodes x (IM_DB_POOL_SIZE + "
        "IM_DB_POOL_OVERFLOW + 1) must stay below the database's max_connections: with the defaults 3 nodes use 63.",
    )
    db_pool_timeout_seconds: int = Field(
        3, ge=1, le=60, description="Seconds that a request waits for a free database connection before it fails."
    )
    db_pool_recycle_seconds: int = Field(
        1800,
        ge=60,
        le=28_000,
        description="Age in seconds at which a database connection is replaced. Must be below the database's "
        "wait_timeout.",
    )
    db_connect_timeout_seconds: int = Field(
        3, ge=1, le=60, description="Seconds after which connecting to the database fails."
    )
    db_read_timeout_seconds: int = Field(
        5, ge=1, le=600, description="Seconds to wait for the database's answer to a statement before it fails."
    )
    db_write_timeout_seconds: int = Field(
        5, ge=1, le=600, description="Seconds in which the database must accept a statement before it fails."
    )


class TokenSettings(Chapter):
    title = "Secrets and tokens"

    secret_key: Secret = Field(
        repr=False,
        description="The key that signs tokens and the messages between nodes. The same on all nodes. Unset: generated "
        "on the first start and kept in IM_DATA_DIR/secrets.env.",
    )
    secret_key_previous: Annotated[Secret | None, Allowed("32 bytes or longer")] = Field(
        None,
        repr=False,
        description="The former SECRET_KEY, after a change: tokens signed with it stay valid until they expire.",
    )
    access_token_seconds: int = Field(900, ge=5, le=86_400, description="Seconds for which an access token is valid.")
    refresh_token_seconds: int = Field(
        30 * 86_400,
        ge=60,
        le=366 * 86_400,
        description="Seconds for which a refresh token is valid: a device that is unused for longer must log in again.",
    )
    refresh_retry_seconds: int = Field(
        60,
        ge=0,
        le=600,
        description="Seconds in which a client may send a used refresh token again, as long as the tokens issued for "
        "it are unused: the first answer may have been lost. Later reuse ends the session. 0: reuse always ends it.",
    )
    token_expiring_lead_seconds: int = Field(
        60, ge=1, le=3600, description="Seconds before the expiry of its access token at which a client is notified."
    )


class AccountSettings(Chapter):
    title = "Accounts and passwords"

    registration: Literal["open", "invitation", "approval", "closed"] = Field(
        "open",
        description="Registration of new accounts. open: for everyone; invitation: with a code from `flask im invite`; "
        "approval: for everyone, but an operator must approve each account (`flask im approve`); closed: only "
        "operators create accounts.",
    )
    password_min_length: int = Field(8, ge=8, le=64, description="The minimum length of a password, in characters.")
    argon2_memory_kib: int = Field(19_456, ge=8, le=4_194_304, description="Memory of one password hash, in KiB.")
    argon2_time_cost: int = Field(2, ge=1, le=100, description="Passes of one password hash over its memory.")
    argon2_parallelism: int = Field(1, ge=1, le=16, description="Lanes of one password hash.")
    argon2_concurrency: int = Field(
        2, ge=1, le=64, description="Password hashes that a node computes at the same time; further ones wait."
    )


class OperatorSettings(Chapter):
    title = "Operators"

    admin_second_factor: bool = Field(
        True,
        description="Whether operators need a second factor (TOTP). Switch it off only behind your own single sign-on.",
    )
    admin_session_seconds: int = Field(
        43_200,
        ge=60,
        le=30 * 86_400,
        description="Seconds after which an operator must enter the second factor again.",
    )
    admin_acts_days: int = Field(
        365, ge=1, le=3650, description="Days for which the log of administrative acts is kept."
    )


class MessageSettings(Chapter):
    title = "Messages and groups"

    private_messages: Literal["anyone", "contacts"] = Field(
        "anyone", description="The users that may send a private message to a user: anyone, or contacts only."
    )
    message_text_max_chars: int = Field(
        8000, ge=1, le=60_000, description="The maximum length of a text message, in characters."
    )
    message_content_max_bytes: int = Field(
        16_384,
        ge=256,
        le=60_000,
        description="The maximum size of the content of a message that is not text, in bytes of JSON.",
    )
    recall_window_seconds: int = Field(
        120,
        ge=0,
        le=366 * 86_400,
        description="Seconds after sending in which a message may be recalled. 0: messages cannot be recalled.",
    )
    edit_window_seconds: int = Field(
        86_400,
        ge=0,
        le=366 * 86_400,
        description="Seconds after sending in which a message may be edited. 0: messages cannot be edited.",
    )
    group_invites: Literal["anyone", "contacts"] = Field(
        "anyone",
        description="The users that may add a user to a group without asking: anyone, or only the user's contacts, "
        "while others can only invite. Always contacts with IM_PRIVATE_MESSAGES=contacts.",
    )
    groups_owned_max: int = Field(
        500, ge=1, le=100_000, description="The most groups that one user may own. Beyond: error too_many_groups."
    )
    conversations_max: int = Field(
        10_000,
        ge=10,
        le=1_000_000,
        description="The number of conversations from which on a user cannot open, create or join another one.",
    )
    group_member_limit: int = Field(500, ge=2, le=10_000, description="The maximum number of members of a group.")
    group_receipts_max_members: int = Field(
        100,
        ge=0,
        le=10_000,
        description="The largest group, in members, in which members see read receipts and typing notices.",
    )


class RetentionSettings(Chapter):
    title = "Retention"

    retention_messages_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="Age in days from which `flask im retention` deletes messages. 0: messages are kept.",
    )
    retention_changes_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="Age in days from which `flask im retention` deletes entries of the log that sync reads; a device "
        "that was away for longer loads everything again. 0: entries are kept as long as the messages.",
    )
    retention_sessions_days: int = Field(
        30,
        ge=0,
        le=36_500,
        description="Days after its end at which `flask im retention` deletes a session. 0: sessions are kept.",
    )


class SyncSettings(Chapter):
    title = "Sync"

    sync_changes_default: int = Field(
        50, ge=1, le=500, description="Changes of one conversation in one answer of sync, if the client sets no limit."
    )
    sync_changes_max: int = Field(
        500, ge=1, le=500, description="The most changes of one conversation that a client may request in one sync."
    )
    sync_total_max: int = Field(
        2000,
        ge=1,
        le=10_000,
        description="The most changes of all conversations in one answer of sync; the client requests further ones.",
    )


class ConnectionSettings(Chapter):
    title = "Connections"

    allowed_origins: Annotated[
        tuple[Origin, ...],
        BeforeValidator(_parts),
        Allowed("origins like https://chat.example.org or capacitor://localhost, null, or *, separated by commas"),
    ] = Field(
        (),
        description="Other origins from which web pages and apps may connect, each in full. null: any local file and"
        " any sandboxed frame. The server's own pages may always connect.",
    )
    trusted_proxies: Annotated[
        tuple[Network, ...],
        BeforeValidator(_parts),
        Allowed("addresses or networks like 10.0.0.0/8, separated by commas"),
    ] = Field(
        (),
        description="Proxies from which X-Forwarded-For and X-Forwarded-Proto headers are trusted. Unset: none.",
    )
    keepalive_seconds: int = Field(
        2,
        ge=1,
        le=3600,
        description="Seconds for which an idle HTTP connection is kept open. Must exceed the idle time of the proxy in"
        " front of the node: above 60 for a load balancer with 60 s. A stopping node waits for idle connections.",
    )
    reconnects_per_second: int = Field(
        50,
        ge=1,
        le=100_000,
        description="Reconnecting clients per second that each other node can take while a node stops.",
    )
    reconcile_seconds: int = Field(
        20,
        ge=1,
        le=3600,
        description="Seconds between two comparisons of the pushed changes with the stored ones. Clients that missed a "
        "change are told to sync.",
    )
    rebalance: bool = Field(
        True,
        description="When a node has joined, the other nodes ask the clients beyond their share to reconnect, at the "
        "rate of IM_RECONNECTS_PER_SECOND. Off: clients move only on `flask im rebalance`.",
    )
    max_connections: int = Field(
        20_000,
        ge=10,
        le=1_000_000,
        description="The most sockets that this node serves. Further ones are refused with 503.",
    )
    max_connections_per_user: int = Field(
        50,
        ge=1,
        le=1_000_000,
        description="The most sockets of one user on this node. At the limit, a new socket replaces one that seems "
        "dead; if all are alive, it is refused with too_many_connections. No limit with IM_RATE_LIMITS=off.",
    )
    max_connecting_per_address: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="The most sockets from one address (IPv6: from one /64 network) that have not logged in yet. "
        "Further ones get 503 and must retry later. No limit with IM_RATE_LIMITS=off.",
    )
    ping_interval_seconds: int = Field(25, ge=1, le=300, description="Seconds between two heartbeat pings to a client.")
    ping_timeout_seconds: int = Field(
        20, ge=1, le=300, description="Seconds to wait for a client's pong before it is disconnected."
    )
    connect_timeout_seconds: int = Field(
        15,
        ge=1,
        le=60,
        description="Seconds in which a new socket must log in, or it is closed. The third refused log-in closes it, "
        "too.",
    )
    connects_per_second: int = Field(
        2000,
        ge=1,
        le=100_000,
        description="The most new sockets per second. Further ones get 503 and must retry later.",
    )
    slow_client_max_bytes: int = Field(
        8_388_608,
        ge=65_536,
        le=1_073_741_824,
        description="Bytes that may wait for a client that does not read them. Beyond, the client is disconnected; it "
        "syncs when it reconnects.",
    )
    slow_client_seconds: int = Field(
        20,
        ge=1,
        le=300,
        description="Seconds after which a client that reads none of its waiting data is disconnected.",
    )
    transport: Literal["engine", "stock"] = Field(
        "engine",
        description="The implementation of Engine.IO: imapp's own (engine), or python-engineio on gevent-websocket"
        " (stock).",
    )
    max_payload_bytes: int = Field(
        262_144,
        ge=1024,
        le=10_000_000,
        description="The largest packet, in bytes, that a logged-in socket may send. A larger one is refused with"
        " message_too_large. Before log-in the limit is 16,384.",
    )
    request_max_bytes: int = Field(
        262_144, ge=1024, le=10_000_000, description="The largest body of a REST request, in bytes."
    )

    body_timeout_seconds: int = Field(
        10, ge=1, le=300, description="Seconds in which the body of a REST request must arrive, or the answer is 408."
    )


class TraceSettings(Chapter):
    title = "Message traces"

    trace_messages: int = Field(
        20_000,
        ge=0,
        le=1_000_000,
        description="Messages of which a node keeps the delivery steps for `flask im trace`, 0.5 kB each. 0: none.",
    )
    trace_seconds: int = Field(
        3600, ge=0, le=86_400, description="Seconds for which a node keeps the delivery steps of a message. 0: none."
    )

    tracing: bool = Field(
        False,
        description="Send OpenTelemetry traces of commands and messages to the target in the OTEL_ variables. Needs "
        "requirements-tracing.txt.",
    )


class WriteQueueSettings(Chapter):
    title = "The write queue"

    committer_batch_max: int = Field(256, ge=1, le=1000, description="The most writes in one transaction.")
    committer_queue_max: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description='The most writes that may wait for a transaction. Further ones are answered with "busy".',
    )


class RateLimitSettings(Chapter):
    title = "Rate limits"

    rate_limits: bool = Field(True, description="Whether rate limits apply. Off: for load tests only.")
    rate_login_per_account_and_address: Rate = Field(
        "10/minute", description="Failed log-ins on one account from one address (IPv6: from one /64 network)."
    )
    rate_login_per_account: Rate = Field(
        "100/hour",
        description="Failed log-ins on one account from all addresses. Beyond, only addresses from which the account "
        "has a session may try.",
    )
    rate_login_per_address: Rate = Field(
        "60/minute",
        description="Failed log-ins from one address on all accounts. Beyond, only accounts that have a session from "
        "this address may log in from it.",
    )
    rate_logins_per_user: Rate = Field("20/minute;40/15 minutes", description="Successful log-ins of one user.")
    rate_password_checks_per_session: Rate = Field(
        "10/minute",
        description="Wrong current passwords from one session, sent to change the password or to erase the account.",
    )
    rate_second_factor_per_account: Rate = Field(
        "5/minute;30/hour", description="Wrong second-factor codes on one account, after the correct password."
    )
    rate_register_per_address: Rate = Field("30/minute", description="Registrations from one address.")
    rate_refresh_per_address: Rate = Field("120/minute", description="Failed token refreshes from one address.")
    rate_refresh_per_session: Rate = Field("20/minute", description="Token refreshes of one session.")
    rate_anonymous_per_address: Rate = Field(
        "50/second;1500/minute",
        description="Requests with a body and without a token (log-ins, refreshes) from one address.",
    )
    rate_messages_per_user: Rate = Field("30/second;900/minute", description="Messages sent by one user.")
    rate_commands_per_user: Rate = Field(
        "60/second;1800/minute", description="Commands and REST calls of one user, sent messages included."
    )
    rate_sync_per_user: Rate = Field(
        "10/second;120/minute", description="Calls of sync by one user, over Socket.IO and REST together."
    )
    rate_search_per_user: Rate = Field("60/minute", description="User searches of one user.")
    rate_profile_changes_per_user: Rate = Field(
        "20/minute",
        description="Changes of one user's profile. Each change is pushed to every user with the profile in a list.",
    )
    rate_conversations_opened_per_user: Rate = Field(
        "60/minute;1000/day", description="New private conversations opened by one user."
    )
    rate_groups_created_per_user: Rate = Field("20/minute;200/day", description="Groups created by one user.")
    rate_members_added_per_user: Rate = Field(
        "1000/minute;10000/day",
        description="Users that one user adds or invites to groups, including the members of new groups; each user "
        "counts. Must not be below IM_GROUP_MEMBER_LIMIT.",
    )
    rate_contact_requests_per_user: Rate = Field("30/minute", description="Contact requests sent by one user.")


class Settings(
    RateLimitSettings,
    WriteQueueSettings,
    TraceSettings,
    ConnectionSettings,
    SyncSettings,
    RetentionSettings,
    MessageSettings,
    OperatorSettings,
    AccountSettings,
    TokenSettings,
    DatabaseConnectionSettings,
    ClusterSettings,
    DatabaseSettings,
    NodeSettings,
):
    """All settings of one node. Does not read the environment; raises pydantic.ValidationError.

    Pydantic takes the fields of the last base class first. So the first chapter is the last base class.
    """

    @classmethod
    def chapters(cls) -> list[type[Chapter]]:
        """Return the chapters in the order of docs/settings.md."""
        return [base for base in reversed(cls.__bases__) if issubclass(base, Chapter)]

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of the field's environment variable."""
        return field.upper() if field in _UNPREFIXED else f"IM_{field.upper()}"

    def masked(self) -> dict[str, str]:
        """Return every variable with its effective value; secrets show only whether they are set."""
        return {self.variable(name): self._shown(name, info) for name, info in type(self).model_fields.items()}

    def _shown(self, name: str, info: FieldInfo) -> str:
        value = getattr(self, name)
        if name in {"database_url", "redis_url"} and value:
            return re.sub(r"//([^:@/]*):.*@", r"//\1:***@", str(value))
        if not info.repr:
            return "****" if value else ""
        if isinstance(value, bool):
            return "on" if value else "off"
        return ",".join(value) if isinstance(value, tuple) else str(value if value is not None else "")


def allowed_values(info: FieldInfo) -> str:
    """Describe the allowed values of a setting."""
    for mark in info.metadata:
        if isinstance(mark, Allowed):
            return mark.words
    if get_origin(info.annotation) is Literal:
        return "one of " + ", ".join(get_args(info.annotation))
    if info.annotation is bool:
        return "on or off"
    least = next(mark.ge for mark in info.metadata if isinstance(mark, Ge))
    most = next(mark.le for mark in info.metadata if isinstance(mark, Le))
    return f"a whole number from {least} to {most}"
