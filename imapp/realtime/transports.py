"""The choice of the transport of Socket.IO: the product's own engine, or python-engineio as a fall-back (IM_TRANSPORT).

Without gevent (in the tests' own process) there is no network below Socket.IO, and python-engineio is used.
"""

from collections.abc import Callable

import engineio
from engineio.payload import Payload

from imapp.cluster import limits
from imapp.engine.admission import Admission
from imapp.engine.limits import Limits
from imapp.engine.server import EngineServer
from imapp.realtime.server import RealtimeServer
from imapp.settings import Settings

#: Maximum number of packets in one polling request; python-engineio drops all packets of a longer one and answers 200.
_STOCK_PAYLOAD_PACKETS = 1000

#: Maximum bytes of a packet from an unauthenticated client: a CONNECT with its token takes less than 1 kB.
CONNECTING_BYTES = 16_384

#: Maximum bytes of a too large packet that is read and refused; the sender of a larger one is disconnected (1009).
DISCARD_BYTES = 16 * 1024 * 1024


def options(settings: Settings, async_mode: str) -> dict[str, object]:
    """Return the options of python-socketio's server for the chosen transport."""
    if async_mode != "gevent" or settings.transport == "stock":
        return {"eio_class": engineio.Server}
    return {
        "eio_class": EngineServer,
        "limits": Limits(
            payload_bytes=settings.max_payload_bytes,
            connecting_bytes=min(CONNECTING_BYTES, settings.max_payload_bytes),
            discard_bytes=DISCARD_BYTES,
            slow_bytes=settings.slow_client_max_bytes,
            slow_seconds=settings.slow_client_seconds,
        ),
        "connect_timeout": settings.connect_timeout_seconds,
        "admission": Admission(settings.max_connections, settings.connects_per_second, _per_address(settings)),
        "address_of": lambda environ: limits.address_key(environ.get("REMOTE_ADDR", "")),
    }


def allowed_origins(settings: Settings) -> str | Callable[[str, dict[str, str]], bool] | None:
    """Return the origins that may connect, in python-engineio's form; None: only the server's own pages.

    The server's own pages may connect in any case.
    """
    named = settings.allowed_origins
    if not named:
        return None
    return "*" if "*" in named else lambda origin, environ: origin in named or origin == _own_origin(environ)


def _own_origin(environ: dict[str, str]) -> str:
    """Return the origin that the request was sent to; trusted_proxies.py has validated a proxy's headers."""
    return f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"


def _per_address(settings: Settings) -> int:
    """Return the limit of unauthenticated sockets for one address.

    Without rate limits it is the limit of all sockets, because a load test opens all of them from one address.
    """
    return settings.max_connecting_per_address if settings.rate_limits else settings.max_connections


def prepare(server: RealtimeServer, settings: Settings) -> None:
    """Add the missing limits to the stock transport."""
    if isinstance(server.eio, EngineServer):
        return
    Payload.max_decode_packets = _STOCK_PAYLOAD_PACKETS
