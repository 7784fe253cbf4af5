"""What clients meet at the address that they use (--url)."""

import json
import socket
import ssl
import time
from collections.abc import Callable
from functools import wraps

from imapp.doctor.case import Case
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.runner import Check
from imapp.doctor.visitor import SECONDS, Visitor, round_trip
from imapp.doctor.websocket import UnexpectedError

#: Sessions that are tried for whether they find their node: two nodes that are chosen at random betray themselves.
_SESSIONS = 10

#: Days before the end of a certificate that are told, and that are too late.
_WARN_DAYS, _FAIL_DAYS = 21, 3

_LOGS = "nginx -t; tail /var/log/nginx/error.log"


def _of_url(look: Callable[[Visitor], Finding]) -> Check:
    """Skip it where no address was given; what does not answer is the front's failure, not the doctor's."""

    @wraps(look)
    def check(case: Case) -> Finding:
        if case.url is None:
            return skip("no --url URL was given")
        try:
            return look(Visitor(case.url))
        except (OSError, UnexpectedError) as exc:
            cure = "Clients meet the same: see what stands before the nodes, and whether a node is ready."
            return fail(f"{type(exc).__name__}: {exc}", cure, _LOGS)

    return check


@_of_url
def health(visitor: Visitor) -> Finding:
    """A node answers through it, and is well."""
    status, text, _ = visitor.get("/actuator/health")
    if status not in {200, 503} or '"components"' not in text:
        return fail(f"{status}: no node answers there", "See whether the proxy leads to the nodes.", _LOGS)
    down = [name for name, one in json.loads(text)["components"].items() if one["status"] != "UP"]
    if down:
        return fail(
            f"DOWN: {', '.join(down)}", "A node is not well: see its health and its log.", "curl URL/actuator/health"
        )
    return ok("UP")


@_of_url
def websocket(visitor: Visitor) -> Finding:
    """A socket of its own from the start."""
    link = visitor.websocket()
    try:
        link.expect("0{")
        took = round_trip(link)
    finally:
        link.close()
    return ok(f"open; a refused connect came back after {took * 1000:.0f} ms")


@_of_url
def upgrade(visitor: Visitor) -> Finding:
    """Polling that becomes a socket, as browsers do it."""
    link = visitor.websocket(visitor.open())
    try:
        link.send("2probe")
        link.expect("3probe")
        link.send("5")
        took = round_trip(link)
    finally:
        link.close()
    return ok(f"polling becomes a WebSocket; a refused connect came back after {took * 1000:.0f} ms")


@_of_url
def routing(visitor: Visitor) -> Finding:
    """Requests of one session over different connections reach the node that has it."""
    nodes, lost, began = set(), 0, time.monotonic()
    for _ in range(_SESSIONS):
        sid = visitor.open()
        nodes.add(sid.partition("~")[0])
        lost += not visitor.is_known(sid)
    if lost:
        cure = "Polling clients cannot get in: the proxy must route by the session's id, or by address."
        return fail(
            f"{lost} of {_SESSIONS} sessions reached a node that does not know them",
            cure,
            "deploy/nginx/generate.py --help",
        )
    each = (time.monotonic() - began) * 1000 / _SESSIONS
    return ok(f"{_SESSIONS} sessions kept to their node ({', '.join(sorted(nodes))}), {each:.0f} ms for each")


@_of_url
def scheme(visitor: Visitor) -> Finding:
    """Whether the nodes believe the proxy shows in a header that they send over TLS only."""
    _, _, headers = visitor.get("/actuator/health")
    is_believed = "strict-transport-security" in {name.lower() for name in headers}
    if visitor.is_tls and not is_believed:
        cure = "They take TLS for plain HTTP: pass X-Forwarded-Proto on, and name the proxy in IM_TRUSTED_PROXIES."
        return fail("the nodes do not believe the proxy", cure, "proxy_set_header X-Forwarded-Proto $scheme;")
    if not visitor.is_tls:
        return skip("plain HTTP: the nodes' own answer (nodes.proxies) tells")
    return ok("the nodes believe the proxy's X-Forwarded headers")


@_of_url
def certificate(visitor: Visitor) -> Finding:
    """Whether clients take it, and for how long."""
    if not visitor.is_tls:
        return skip("plain HTTP")
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((visitor.host, visitor.port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=visitor.host) as link,
        ):
            found = link.getpeercert() or {}
    except ssl.SSLCertVerificationError as exc:
        return fail(
            exc.verify_message,
            "Clients refuse it: renew it, with its whole chain.",
            "openssl s_client -connect HOST:443",
        )
    days = (ssl.cert_time_to_seconds(str(found["notAfter"])) - time.time()) / 86_400
    words = f"valid for {days:.0f} days"
    if days > _WARN_DAYS:
        return ok(words)
    make = fail if days < _FAIL_DAYS else warn
    return make(words, "Renew it, and see why that does not happen by itself.", "certbot renew; nginx -s reload")


CHECKS: dict[str, Check] = {
    "front.health": health,
    "front.websocket": websocket,
    "front.upgrade": upgrade,
    "front.routing": routing,
    "front.scheme": scheme,
    "front.certificate": certificate,
}
