"""What an operator may decide: each setting's type, limits, default and meaning.

Constructing `Settings(...)` reads nothing, so a test says all that it wants; `config.load_settings()` reads
the environment. The variable of `data_dir` is IM_DATA_DIR; the names that other software shares
(DATABASE_URL, PORT, ...) have no prefix. docs/settings.md is written from this file.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

PROJECT = Path(__file__).resolve().parent

#: Variables whose names are a convention beyond this project.
_UNPREFIXED = {
    "database_url", "redis_url", "node_id", "secret_key", "secret_key_previous", "host", "port", "socketio_port"
}  # fmt: skip


# Checked by pattern rather than by SQLAlchemy and limits: gunicorn's master reads the settings, and what it
# imports is imported before gevent has patched it in the worker.
_DATABASE_URL = re.compile(r"sqlite:///(?!:memory:).+|(mysql|mariadb)(\+pymysql)?://[^/\s]+/\w[^\s]*")
_REDIS_WORDS = (
    "redis://[USER:PASSWORD@]HOST[:PORT][/DB], unix:///SOCKET, redis+sentinel://HOST:PORT,HOST:PORT/MASTER[/DB] or "
    "redis+cluster://HOST:PORT,HOST:PORT; with rediss for TLS, and at the end ?ssl_ca_certs=FILE for a CA of your own"
)
_REDIS_URL = re.compile(
    r"rediss?://[^/\s,]+(/\d+)?(\?\S*)?|unix://(\S*@)?/\S+"
    r"|rediss?\+sentinel://[^/\s]+/[\w.-]+(/\d+)?(\?\S*)?|rediss?\+cluster://[^/?\s]+/?(\?\S*)?"
)
#: Pages of hybrid apps have schemes of their own; a file has no host.
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([^/\s,:*@\[\]]*|\[[0-9a-f:.]+\])(?::(\d{1,5}))?/?")
_ORIGIN_WORDS = (
    "like https://chat.example.org, https://chat.example.org:8443, capacitor://localhost, file://, null or *"
)
_OWN_PORTS = {"http": "80", "https": "443"}
_RATE = r"\d+/(\d+ ?)?(second|minute|hour|day)s?"
_RATES = rf"^{_RATE}(;{_RATE})*$"


@dataclass(frozen=True)
class Allowed:
    """What a value may be, in words, where the type alone does not say it."""

    words: str


def _database_url(value: str) -> str:
    if not _DATABASE_URL.fullmatch(value):
        raise ValueError("it must be sqlite:///FILE, mysql://USER:PASSWORD@HOST/NAME or the same with mariadb")
    return re.sub(r"^(mysql|mariadb)://", r"\1+pymysql://", value)


def _redis_url(value: str) -> str:
    if not _REDIS_URL.fullmatch(value):
        raise ValueError("it must be " + _REDIS_WORDS)
    return value


def _secret(value: str) -> str:
    if len(value.encode()) < 32:
        raise ValueError("it must be 32 bytes or longer")
    return value


def _parts(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _origin(value: str) -> str:
    """Write an origin as browsers send it: in lower case, a host in ASCII, without the scheme's own port."""
    value = value.lower()
    if value in {"*", "null"}:
        return value
    found = _ORIGIN.fullmatch(value)
    if found is None or not (found[2] or found[1] not in _OWN_PORTS):
        raise ValueError(f"it must be {_ORIGIN_WORDS}; a * cannot stand for a part of a name")
    scheme, host, port = found.groups()
    if not host.isascii():
        host = host.encode("idna").decode()
    return f"{scheme}://{host}" + ("" if port is None or _OWN_PORTS.get(scheme) == port else f":{port}")


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


Folder = Annotated[
    Path, AfterValidator(lambda path: path.expanduser().resolve()), Allowed("a folder that can be written to")
]
DatabaseUrl = Annotated[
    str,
    AfterValidator(_database_url),
    Allowed("sqlite:///FILE, mysql://USER:PASSWORD@HOST/NAME or the same with mariadb"),
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


class Settings(BaseModel):
    """All settings of one node. Reads no environment; raises pydantic.ValidationError."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    env: Literal["production", "development", "test"] = Field(
        "production", description="production refuses to load test data."
    )
    node_id: Name = Field("node-1", description="This node's name; every node of a cluster has its own.")
    host: Host = Field("127.0.0.1", description="The address to listen on. 0.0.0.0 is every IPv4 address.")
    port: int = Field(8080, ge=1, le=65_535, description="The port to listen on.")
    socketio_port: int | None = Field(
        None, ge=1, le=65_535, description="A second port to listen on, for a proxy that keeps sockets apart."
    )
    data_dir: Folder = Field(PROJECT / "instance", description="The embedded database's and the secrets' folder.")
    log_level: Level = Field("INFO", description="The least severe kind of line that is logged.")
    log_format: Literal["text", "json"] = Field(
        "text", description="text: lines for people, coloured on a terminal; json: one object a line."
    )
    log_file: Annotated[File | None, Allowed("a file in a writable folder")] = Field(
        None, description="Where the lines go, and are rotated. Unset: standard error."
    )
    log_file_max_bytes: int = Field(
        52_428_800, ge=1024, le=10_737_418_240, description="Past it, the file is renamed and a new one begun."
    )
    log_file_count: int = Field(10, ge=1, le=1000, description="Former files that are kept: FILE.1 is the latest.")
    log_lines_per_second: int = Field(
        100, ge=0, le=1_000_000, description="Lines of one event in a second; the others are only counted. 0: all."
    )
    access_log: bool = Field(
        False, description="A line for each REST request; the probes under /actuator/ only when they fail."
    )
    shutdown_timeout_seconds: int = Field(10, ge=1, le=300, description="How long a stopping node may finish its work.")
    stats_visibility: Literal["everyone", "operators"] = Field(
        "operators",
        description="Who sees the ids of the users online at /api/stats/online: operators, or every logged-in user. "
        "The counts are for everybody.",
    )
    presence_group_max_members: int = Field(
        100,
        ge=0,
        le=10_000,
        description="Up to this many members, the members of a group may ask whether another is online. 0: never.",
    )

    health_details: Literal["local", "operators", "always"] = Field(
        "local",
        description="Who sees the metrics, and versions, sizes and errors in health and info: with local the machine"
        " itself and IM_OPERATOR_NETWORKS, not through a proxy, and operators by their token; operators only; or"
        " everybody. All others see UP and DOWN.",
    )
    operator_networks: Annotated[
        tuple[Network, ...],
        BeforeValidator(_parts),
        Allowed("addresses or networks like 10.0.0.0/8, separated by commas"),
    ] = Field(
        (), description="Where Prometheus or Zabbix asks from, when it is another machine (IM_HEALTH_DETAILS=local)."
    )
    disk_threshold_bytes: int = Field(
        52_428_800, ge=0, le=2**60, description="Free disk of IM_DATA_DIR below which the node is not ready: 50 MiB."
    )
    commit: Annotated[str | None, Field(pattern=r"^[0-9A-Za-z._-]{1,64}$"), Allowed("1 to 64 of A-Z a-z 0-9 . _ -")] = (
        Field(None, description="The source's commit, for /actuator/info. Unset: what git says, if it is there.")
    )
    history_step_seconds: int = Field(
        60,
        ge=1,
        le=3600,
        description="A point of the history; up to 1440 of the last day are kept. The same on all nodes.",
    )

    database_url: DatabaseUrl = Field(
        default_factory=lambda data: f"sqlite:///{data['data_dir']}/imapp.db",
        repr=False,
        description="Where the data is. Unset: SQLite in IM_DATA_DIR.",
    )
    redis_url: Annotated[RedisUrl | None, Allowed(_REDIS_WORDS)] = Field(
        None, repr=False, description="What connects the nodes of a cluster. Unset: this node is alone."
    )
    cluster_name: Name = Field("imapp", description="Begins every Redis key and channel of this cluster.")
    redis_at_start: Literal["wait", "refuse"] = Field(
        "wait", description="Redis is away when a node starts: start unready and wait for it, or refuse to start."
    )
    ready_without_redis: bool = Field(
        False, description="Whether a node that is cut off from Redis still counts as ready."
    )
    node_lease_seconds: int = Field(
        8, ge=3, le=60, description="A node that is silent for so long is dead and its users are offline."
    )
    bus_queue_max_bytes: int = Field(
        16_777_216,
        ge=65_536,
        le=1_073_741_824,
        description="Pushes to other nodes that may wait for Redis; past it: sync.",
    )
    db_pool_size: int = Field(10, ge=1, le=200, description="Connections kept open to MySQL or MariaDB.")
    db_pool_overflow: int = Field(
        10,
        ge=0,
        le=200,
        description="Further ones of a peak. Nodes x (both + 1) must stay below max_connections: 3 nodes take 63.",
    )
    db_pool_timeout_seconds: int = Field(3, ge=1, le=60, description="How long a request waits for a free connection.")
    db_pool_recycle_seconds: int = Field(
        1800, ge=60, le=28_000, description="Greatest age of a connection; below wait_timeout."
    )
    db_connect_timeout_seconds: int = Field(3, ge=1, le=60, description="How long connecting may take.")
    db_read_timeout_seconds: int = Field(5, ge=1, le=600, description="How long the database may take to answer.")
    db_write_timeout_seconds: int = Field(5, ge=1, le=600, description="How long the database may take to accept.")

    secret_key: Secret = Field(
        repr=False,
        description="Signs the tokens. Unset: generated on the first start, in IM_DATA_DIR/secrets.env.",
    )
    secret_key_previous: Annotated[Secret | None, Allowed("32 bytes or longer")] = Field(
        None,
        repr=False,
        description="The key before the present one: its tokens stay valid until they expire.",
    )
    access_token_seconds: int = Field(900, ge=5, le=86_400, description="How long an access token is valid.")
    refresh_token_seconds: int = Field(
        30 * 86_400, ge=60, le=366 * 86_400, description="How long a device away stays logged in."
    )
    refresh_retry_seconds: int = Field(
        60,
        ge=0,
        le=600,
        description="Seconds for which a spent refresh token answers again while the tokens issued for it are unused, "
        "because its answer may have been lost. Later its reuse ends the session. 0: at once.",
    )
    token_expiring_lead_seconds: int = Field(
        60, ge=1, le=3600, description="How long ahead a client is told of the end."
    )

    registration: Literal["open", "invitation", "approval", "closed"] = Field(
        "open",
        description="Who may make an account: everybody; people with a code of `flask im invite`; everybody, but an "
        "operator lets each in (`flask im approve`); nobody, only operators make accounts.",
    )
    password_min_length: int = Field(8, ge=8, le=64, description="The shortest password, in characters.")
    argon2_memory_kib: int = Field(19_456, ge=8, le=4_194_304, description="Memory of one password hash, in KiB.")
    argon2_time_cost: int = Field(2, ge=1, le=100, description="Passes over that memory.")
    argon2_parallelism: int = Field(1, ge=1, le=16, description="Lanes of one password hash.")
    argon2_concurrency: int = Field(2, ge=1, le=64, description="Password hashes at one time; the others wait.")

    admin_second_factor: bool = Field(
        True,
        description="Whether operators must prove a second factor (TOTP). Off: behind a single sign-on of your own.",
    )
    admin_session_seconds: int = Field(
        43_200, ge=60, le=30 * 86_400, description="How long the second factor counts before it is asked for again."
    )
    admin_acts_days: int = Field(365, ge=1, le=3650, description="How long the log of administrative acts is kept.")

    private_messages: Literal["anyone", "contacts"] = Field("anyone", description="Who may write to a user.")
    message_text_max_chars: int = Field(8000, ge=1, le=60_000, description="The longest text message, in characters.")
    message_content_max_bytes: int = Field(
        16_384, ge=256, le=60_000, description="The largest content of another, as JSON."
    )
    recall_window_seconds: int = Field(
        120, ge=0, le=366 * 86_400, description="How long a message may be recalled. 0: never."
    )
    edit_window_seconds: int = Field(
        86_400, ge=0, le=366 * 86_400, description="How long a message may be edited. 0: never."
    )
    group_invites: Literal["anyone", "contacts"] = Field(
        "anyone",
        description="Who may add a user to a group without asking: anyone, or the user's contacts, so that others only "
        "invite. With IM_PRIVATE_MESSAGES=contacts always contacts.",
    )
    groups_owned_max: int = Field(
        500, ge=1, le=100_000, description="The most groups that one user owns. More: too_many_groups."
    )
    conversations_max: int = Field(
        10_000,
        ge=10,
        le=1_000_000,
        description="Conversations of one user beyond which the user opens, creates and joins no further one.",
    )
    group_member_limit: int = Field(500, ge=2, le=10_000, description="The most members of a group.")
    group_receipts_max_members: int = Field(
        100, ge=0, le=10_000, description="Up to this size, members see who has read."
    )

    retention_messages_days: int = Field(
        0, ge=0, le=36_500, description="Older messages are deleted by flask im retention. 0: never."
    )
    retention_changes_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="The same for the log that sync reads; a device away for longer loads afresh. 0: as the messages.",
    )
    retention_sessions_days: int = Field(
        30, ge=0, le=36_500, description="The same for sessions that ended so long ago. 0: never."
    )

    sync_changes_default: int = Field(50, ge=1, le=500, description="Changes of one conversation in a sync.")
    sync_changes_max: int = Field(500, ge=1, le=500, description="The most that a client may ask for instead.")
    sync_total_max: int = Field(2000, ge=1, le=10_000, description="Changes in one whole answer; the rest is paged.")

    allowed_origins: Annotated[
        tuple[Origin, ...],
        BeforeValidator(_parts),
        Allowed("origins like https://chat.example.org or capacitor://localhost, separated by commas, null, or *"),
    ] = Field(
        (),
        description="Web pages and apps of other origins that may connect, each named in full; null: pages of files and"
        " sandboxed frames, whoever wrote them. This server's own pages always may.",
    )
    trusted_proxies: Annotated[
        tuple[Network, ...],
        BeforeValidator(_parts),
        Allowed("addresses or networks like 10.0.0.0/8, separated by commas"),
    ] = Field((), description="Proxies whose X-Forwarded-For and X-Forwarded-Proto count. Unset: nobody's do.")
    keepalive_seconds: int = Field(
        2,
        ge=1,
        le=3600,
        description="How long an idle HTTP connection is kept. Longer than the proxy before the node keeps it: above 60"
        " for a balancer with 60 s. A stopping node waits for idle connections.",
    )
    reconnects_per_second: int = Field(
        50, ge=1, le=100_000, description="Clients of a stopping node that each other node can take, in a second."
    )
    reconcile_seconds: int = Field(
        20,
        ge=1,
        le=3600,
        description="Every so many seconds the node compares what it has pushed with what is stored, and has those "
        "clients sync that were not told.",
    )
    rebalance: bool = Field(
        True,
        description="After a node has joined, the other nodes ask the clients beyond their share to reconnect, at the "
        "pace of IM_RECONNECTS_PER_SECOND. Off: only flask im rebalance moves clients.",
    )
    max_connections: int = Field(20_000, ge=10, le=1_000_000, description="Sockets that this node serves.")
    max_connections_per_user: int = Field(
        50,
        ge=1,
        le=1_000_000,
        description="Sockets of one user that this node serves. At the limit one that seems dead makes room for a new"
        " one; if all are alive the new one is refused with too_many_connections. No limit with IM_RATE_LIMITS=off.",
    )
    max_connecting_per_address: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="Sockets from one address (IPv6: a /64) that have not logged in; one more gets 503, to come again. "
        "No limit with IM_RATE_LIMITS=off.",
    )
    ping_interval_seconds: int = Field(25, ge=1, le=300, description="How often a connection is probed.")
    ping_timeout_seconds: int = Field(20, ge=1, le=300, description="How long the answer to a probe may take.")
    connect_timeout_seconds: int = Field(
        15, ge=1, le=60, description="How long a fresh socket may take to log in; the third refusal closes it, too."
    )
    connects_per_second: int = Field(
        2000, ge=1, le=100_000, description="New sockets that are let in within a second; the others come again."
    )
    slow_client_max_bytes: int = Field(
        8_388_608,
        ge=65_536,
        le=1_073_741_824,
        description="What may wait for a client that does not take it; past it: disconnected, to sync when it is back.",
    )
    slow_client_seconds: int = Field(
        20, ge=1, le=300, description="A client that takes nothing of what waits for it for so long is disconnected."
    )
    transport: Literal["engine", "stock"] = Field(
        "engine", description="What carries Socket.IO: the product's own engine, or python-engineio with gevent."
    )
    max_payload_bytes: int = Field(
        262_144,
        ge=1024,
        le=10_000_000,
        description="The largest packet, in bytes, that a logged-in socket may send: a larger one is refused with"
        " message_too_large. Before log-in: 16,384.",
    )
    request_max_bytes: int = Field(262_144, ge=1024, le=10_000_000, description="The largest body of a REST request.")

    body_timeout_seconds: int = Field(
        10, ge=1, le=300, description="How long the whole body of a REST request may take to arrive; past it: 408."
    )

    trace_messages: int = Field(
        20_000,
        ge=0,
        le=1_000_000,
        description="Messages of which a node remembers the way, for `flask im trace`: 0.5 kB each. 0: none.",
    )
    trace_seconds: int = Field(3600, ge=0, le=86_400, description="How long it remembers them. 0: not at all.")

    tracing: bool = Field(
        False,
        description="Send OpenTelemetry traces of commands and messages, where OTEL_ variables say; needs "
        "requirements-tracing.txt.",
    )

    committer_batch_max: int = Field(256, ge=1, le=1000, description="Writes that one commit takes at most.")
    committer_queue_max: int = Field(10_000, ge=1, le=1_000_000, description='Writes that may wait; past it: "busy".')

    rate_limits: bool = Field(True, description="Whether there are rate limits at all. Off: for load tests.")
    rate_login_per_account_and_address: Rate = Field(
        "10/minute", description="Failed log-ins on one account from one address (of IPv6: from one /64 network)."
    )
    rate_login_per_account: Rate = Field(
        "100/hour",
        description="Failed log-ins on one account from all addresses. Past it, only addresses that the account has "
        "a session of may try.",
    )
    rate_login_per_address: Rate = Field(
        "60/minute",
        description="Failed log-ins from one address on all accounts. Past it, only accounts that have a session "
        "from there may be tried.",
    )
    rate_logins_per_user: Rate = Field("20/minute;40/15 minutes", description="Successful log-ins of one user.")
    rate_password_checks_per_session: Rate = Field(
        "10/minute", description="Wrong present passwords from one session: to change it, or to erase the account."
    )
    rate_second_factor_per_account: Rate = Field(
        "5/minute;30/hour", description="Wrong codes of the second factor on one account, after the right password."
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
        "60/second;1800/minute", description="Commands and REST calls of one user, those above included."
    )
    rate_sync_per_user: Rate = Field(
        "10/second;120/minute", description="Calls of sync by one user, over Socket.IO and REST together."
    )
    rate_search_per_user: Rate = Field("60/minute", description="User searches of one user.")
    rate_profile_changes_per_user: Rate = Field(
        "20/minute", description="Changes of one user's profile: all whose lists show the user are told."
    )
    rate_conversations_opened_per_user: Rate = Field(
        "60/minute;1000/day", description="New private conversations opened by one user."
    )
    rate_groups_created_per_user: Rate = Field("20/minute;200/day", description="Groups created by one user.")
    rate_members_added_per_user: Rate = Field(
        "1000/minute;10000/day",
        description="Users that one user adds or invites to groups, each counted, those of new groups included. Not "
        "below IM_GROUP_MEMBER_LIMIT.",
    )
    rate_contact_requests_per_user: Rate = Field("30/minute", description="Contact requests sent by one user.")

    @classmethod
    def variable(cls, field: str) -> str:
        """Name the environment variable of a field."""
        return field.upper() if field in _UNPREFIXED else f"IM_{field.upper()}"

    def masked(self) -> dict[str, str]:
        """Give every variable with its effective value; secrets show only whether they are set."""
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
