"""The options of a load test."""

from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from imapp.load.errors import MisuseError
from imapp.load.json import JsonObject


@dataclass(frozen=True)
class Options:
    """The options of `flask im bench`, explained in docs/operations.md."""

    urls: tuple[str, ...]
    users_file: Path
    register: bool = False
    connections: int = 100
    connect_rate: float = 50.0
    rate: float = 100.0
    groups: int = 0
    group_size: int = 10
    group_share: float = 0.2
    seconds: float = 30.0
    warm_up: float = 5.0
    text_bytes: int = 40
    ramp: bool = False
    ramp_factor: float = 1.25
    p99_bound_ms: float = 500.0
    error_bound: float = 0.01
    patience: float = 10.0
    nodes: tuple[str, ...] = ()
    ca: Path | None = None

    def check(self) -> None:
        """Raise MisuseError for invalid options or combinations."""
        for url in (*self.urls, *self.nodes):
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise MisuseError(f"{url}: an address is http://HOST[:PORT] or https://HOST[:PORT]")
            if parts.username or parts.password:
                raise MisuseError("an address has no user and no password in it")
        if self.connections < 2:
            raise MisuseError("at least two connections are needed: one sends to the other")
        if self.groups and self.group_size > self.connections:
            raise MisuseError("a group cannot have more members than there are connections")

    def shown(self) -> JsonObject:
        """Return the options for reports. Of the file with the tokens they contain only the name."""
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {**found, "users_file": self.users_file.name, "ca": self.ca.name if self.ca else None}


def address_of(url: str) -> tuple[SplitResult, int]:
    """Return the parts of an address, and its port."""
    parts = urlsplit(url)
    return parts, parts.port or (443 if parts.scheme == "https" else 80)
