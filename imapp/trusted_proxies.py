"""Find the address of a client behind proxies. Only trusted proxies (IM_TRUSTED_PROXIES) may state it.

The middleware runs before REST and Socket.IO. From an untrusted peer it removes all forwarding headers: python-engineio
would take its host and scheme from them, and limits per address would count forged addresses.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

#: Key in the WSGI environment: whether a proxy, trusted or not, forwarded the request.
IS_FORWARDED = "imapp.is_forwarded"

_FORWARDING_HEADERS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)


class TrustedProxies:
    """WSGI middleware that applies the forwarding headers of trusted proxies and removes all others."""

    def __init__(self, app: Application, networks: Sequence[str]) -> None:
        self._app = app
        self._networks = [ip_network(network) for network in networks]
        self._is_trusted = lru_cache(maxsize=1024)(self._look_up)
        #: The last untrusted address that sent forwarding headers: a proxy missing in the setting, or a forger.
        self.disbelieved = ""

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Set the address and scheme of the client, then pass the request on.

        A dual-stack socket reports IPv4 clients as `::ffff:a.b.c.d`; this converts them to `a.b.c.d`.
        """
        environ["REMOTE_ADDR"] = client_address(environ.get("REMOTE_ADDR", "")) or environ.get("REMOTE_ADDR", "")
        headers = {name: environ.pop(name) for name in _FORWARDING_HEADERS if name in environ}
        environ[IS_FORWARDED] = bool(headers)
        if headers and not self._is_trusted(environ["REMOTE_ADDR"]):
            self.disbelieved = environ["REMOTE_ADDR"]
        elif headers:
            environ["REMOTE_ADDR"] = self._client(headers.get("HTTP_X_FORWARDED_FOR", ""), environ["REMOTE_ADDR"])
            if headers.get("HTTP_X_FORWARDED_PROTO") in {"http", "https"}:
                # Flask reads the first, python-engineio the second.
                environ["wsgi.url_scheme"] = environ["HTTP_X_FORWARDED_PROTO"] = headers["HTTP_X_FORWARDED_PROTO"]
        return self._app(environ, start_response)

    def _client(self, forwarded: str, proxy: str) -> str:
        """Return the last address that is not a trusted proxy; any client can forge the addresses before it."""
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
        return found is not None and any(found in network for network in self._networks)


def client_address(text: str) -> str | None:
    """Return the canonical form of a peer's address, without the port or brackets that some load balancers add.

    Return None if the text is not an address.
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
