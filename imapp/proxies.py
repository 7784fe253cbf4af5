"""Who is the client when a proxy stands between? Only a trusted one (IM_TRUSTED_PROXIES) is believed.

Before both doors. From anybody else all headers that speak of another client are removed: python-engineio would take
its own host and scheme from them, and whoever counts by address would be lied to.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

#: In the environment: whether a proxy, trusted or not, brings the request.
IS_FORWARDED = "imapp.is_forwarded"

_SPEAKING = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)


class TrustedProxies:
    """WSGI middleware; see the module."""

    def __init__(self, app: Application, networks: Sequence[str]) -> None:
        self._app = app
        self._networks = [ip_network(network) for network in networks]
        self._is_trusted = lru_cache(maxsize=1024)(self._look_up)
        #: Who spoke last of another client without being trusted: a proxy that was forgotten, or a liar.
        self.disbelieved = ""

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Correct the address and scheme of the client, then pass the request on.

        A socket for both families names its IPv4 clients `::ffff:a.b.c.d`: nothing behind this sees that form.
        """
        environ["REMOTE_ADDR"] = client_address(environ.get("REMOTE_ADDR", "")) or environ.get("REMOTE_ADDR", "")
        said = {name: environ.pop(name) for name in _SPEAKING if name in environ}
        environ[IS_FORWARDED] = bool(said)
        if said and not self._is_trusted(environ["REMOTE_ADDR"]):
            self.disbelieved = environ["REMOTE_ADDR"]
        elif said:
            environ["REMOTE_ADDR"] = self._client(said.get("HTTP_X_FORWARDED_FOR", ""), environ["REMOTE_ADDR"])
            if said.get("HTTP_X_FORWARDED_PROTO") in {"http", "https"}:
                # Both: Flask reads the one, python-engineio the other.
                environ["wsgi.url_scheme"] = environ["HTTP_X_FORWARDED_PROTO"] = said["HTTP_X_FORWARDED_PROTO"]
        return self._app(environ, start_response)

    def _client(self, forwarded: str, proxy: str) -> str:
        """The last address that is no trusted proxy: what stands before it anybody may have written."""
        hops = [hop for hop in forwarded.split(",") if hop.strip()]
        for hop in map(client_address, reversed(hops)):
            if hop is None:
                break
            if not self._is_trusted(hop):
                return hop
            proxy = hop
        return proxy

    def _look_up(self, address: str) -> bool:
        found = _parsed(address)
        return found is not None and any(_contains(network, found) for network in self._networks)


def client_address(text: str) -> str | None:
    """Return the address of a peer in its one form, without the port or brackets that some balancers add.

    None for anything else.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    found = _parsed(text)
    return None if found is None else str(found)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _contains(network: IPv4Network | IPv6Network, address: Any) -> bool:
    return bool(address.version == network.version and address in network)
