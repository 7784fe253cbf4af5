"""The part of an Nginx configuration that applies to Socket.IO: the server, its location, and inherited directives."""

import os
import re
from dataclasses import dataclass

from imapp.doctor.context import Context
from imapp.doctor.nginx_conf import ConfigurationError, Directive, read

SOCKETS = "/socket.io/"

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


@dataclass(frozen=True)
class EffectiveConfig:
    """The blocks that apply to a Socket.IO request. `chain`: location, server, http (or the file), innermost first."""

    main: Directive
    chain: tuple[Directive, ...]

    def value(self, name: str, default: str) -> str:
        """Return the first word of a directive, from the innermost block that has it."""
        words = self.words(name)
        return words[0] if words else default

    def words(self, name: str) -> list[str]:
        """Return all words of a directive, from the innermost block that has it."""
        return next((block.all(name)[-1].words for block in self.chain if block.all(name)), [])

    def headers(self) -> dict[str, str]:
        """Return the headers of proxy_set_header. Nginx applies only those of the innermost block that has any."""
        found = next((block.all("proxy_set_header") for block in self.chain if block.all("proxy_set_header")), [])
        return {one.words[0].lower(): one.words[1] for one in found if len(one.words) == 2}

    def upstreams(self) -> dict[str, Directive]:
        """Return the upstream blocks by name."""
        return {one.words[0]: one for one in self.main.walk("upstream") if one.words}

    def targets(self) -> list[str]:
        """Return the upstreams or addresses of proxy_pass; for a variable, the values of its map."""
        target = re.sub(r"^https?://", "", self.value("proxy_pass", "")).split("/")[0]
        if not target.startswith("$"):
            return [target]
        return [one.words[0] for found in self.maps(target) for one in found.block if one.words]

    def maps(self, variable: str) -> list[Directive]:
        """Return the maps that set a variable."""
        return [one for one in self.main.walk("map") if one.words[1:] == [variable]]


def effective_config(context: Context) -> EffectiveConfig | None:
    """Read the configuration named by --nginx; None without it.

    Raises ConfigurationError, also if no location serves Socket.IO.
    """
    if context.nginx is None:
        return None
    main = read(context.nginx)
    outer = next(iter(main.all("http")), main)
    for server in outer.all("server"):
        location = _location(server)
        if location is not None and location.all("proxy_pass"):
            return EffectiveConfig(main, (location, server, outer))
    raise ConfigurationError(f"no location passes {SOCKETS} on to a node")


def _location(server: Directive) -> Directive | None:
    """Return the location that Nginx would choose: the longest prefix, unless a regular expression matches."""
    prefixes = [
        one
        for one in server.all("location")
        if SOCKETS.startswith(one.words[-1]) and one.words[0] not in {"=", "~", "~*"}
    ]
    longest = max(prefixes, key=lambda one: len(one.words[-1]), default=None)
    if longest is not None and longest.words[0] == "^~":
        return longest
    for one in server.all("location"):
        if one.words[0] in {"~", "~*"} and re.search(
            one.words[1], SOCKETS, re.IGNORECASE if one.words[0] == "~*" else 0
        ):
            return one
    return longest


def seconds(text: str) -> float:
    """Parse a time of Nginx, like `60`, `60s` or `1m30s`; return seconds."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhd]?)", text))


def size(text: str) -> int:
    """Parse a size of Nginx, like `256k`, `1m` or `0`; return bytes."""
    found = re.fullmatch(r"(\d+)([kmg]?)", text.lower())
    if found is None:
        raise ConfigurationError(f"{text!r} is not a size")
    return int(found[1]) * _SIZES[found[2]]


def workers(main: Directive) -> int:
    """Return the number of worker processes."""
    words = next((one.words for one in main.all("worker_processes")), ["1"])
    return (os.cpu_count() or 1) if words == ["auto"] else int(words[0])
