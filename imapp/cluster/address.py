"""REDIS_URL in its parts: one server, a master that Sentinels name, or a Redis Cluster."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

_DEFAULT_PORT = {"single": 6379, "sentinel": 26_379, "cluster": 6379}


@dataclass(frozen=True)
class Address:
    """Where Redis is. `hosts`: the server, the Sentinels, or some nodes of the Redis Cluster; none for a socket file.

    The user and password are those of the Redis servers and of the Sentinels alike.
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
        """For logs: no secret."""
        return self.path or ",".join(f"{host}:{port}" for host, port in self.hosts)


def parse(url: str) -> Address:
    """Take a checked REDIS_URL (settings.py) apart."""
    parts = urlsplit(url)
    scheme, _, suffix = parts.scheme.partition("+")
    kind: Literal["single", "sentinel", "cluster"] = suffix or "single"  # type: ignore[assignment]  # checked before
    credentials, _, netloc = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    path = parts.path.strip("/").split("/")
    return Address(
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
    """`host`, `host:port`, `[::1]:port`."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        return text.strip("[]"), default_port
    return host.strip("[]"), int(port)
