"""The parts of REDIS_URL: one server, a master that Sentinels name, or a Redis Cluster."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

_DEFAULT_PORT = {"single": 6379, "sentinel": 26_379, "cluster": 6379}


@dataclass(frozen=True)
class RedisUrl:
    """Where Redis is. `hosts`: the server, the Sentinels, or some nodes of the Redis Cluster; empty for a socket file.

    The Redis servers and the Sentinels have the same user name and password.
    """

    kind: Literal["single", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...]
    path: str = ""
    master: str = ""
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca_file: str | None = None

    def __str__(self) -> str:
        """Return the address for log lines, without credentials."""
        return self.path or ",".join(f"{host}:{port}" for host, port in self.hosts)


def parse(url: str) -> RedisUrl:
    """Parse a REDIS_URL that imapp/settings.py has validated."""
    parts = urlsplit(url)
    scheme, _, suffix = parts.scheme.partition("+")
    kind: Literal["single", "sentinel", "cluster"] = suffix or "single"  # type: ignore[assignment]  # checked before
    credentials, _, netloc = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    path = parts.path.strip("/").split("/")
    return RedisUrl(
        kind=kind,
        hosts=() if scheme == "unix" else tuple(_host(part, _DEFAULT_PORT[kind]) for part in netloc.split(",")),
        path=parts.path if scheme == "unix" else "",
        master=path[0] if kind == "sentinel" else "",
        db=int(query.get("db") or (path[-1] if scheme != "unix" and path[-1].isdigit() else "0")),
        username=unquote(username),
        password=unquote(password),
        tls=scheme == "rediss",
        ca_file=query.get("ssl_ca_certs"),
    )


def _host(text: str, default_port: int) -> tuple[str, int]:
    """Return (host, port) of `host`, `host:port` or `[::1]:port`."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        return text.strip("[]"), default_port
    return host.strip("[]"), int(port)
