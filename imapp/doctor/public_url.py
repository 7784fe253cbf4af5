"""Checks of the address that clients use (--url), made like a client."""

import json
import socket
import ssl
import time
from collections.abc import Callable
from functools import wraps

from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.http_client import SECONDS, HttpClient, round_trip
from imapp.doctor.runner import Check
from imapp.doctor.websocket import UnexpectedError

#: Number of test sessions: enough to detect a proxy that chooses between two nodes at random.
_SESSIONS = 10

#: Remaining days of a certificate below which the check warns, and below which it fails.
_WARN_DAYS, _FAIL_DAYS = 21, 3

_LOGS = "nginx -t; tail /var/log/nginx/error.log"


def _of_url(judge: Callable[[HttpClient], Finding]) -> Check:
    """Make a check that is skipped without --url. No answer is a failed check, not an error of the doctor."""

    @wraps(judge)
    def check(context: Context) -> Finding:
        if context.url is None:
            return skip("no --url URL was given")
        try:
            return judge(HttpClient(context.url))
        except (OSError, UnexpectedError) as exc:
            cure = "Clients get the same error: check the proxy, and whether a node is ready."
            return fail(f"{type(exc).__name__}: {exc}", cure, _LOGS)

    return check


@_of_url
def health(client: HttpClient) -> Finding:
    """Check that a healthy node answers through the address."""
    answer = client.get("/actuator/health")
    if answer.status not in {200, 503} or '"components"' not in answer.text:
        return fail(
            f"{answer.status}: no node answers there", "Check whether the proxy passes requests to the nodes.", _LOGS
        )
    down = [name for name, one in json.loads(answer.text)["components"].items() if one["status"] != "UP"]
    if down:
        return fail(
            f"DOWN: {', '.join(down)}", "A node is unhealthy: check its health and its log.", "curl URL/actuator/health"
        )
    return ok("UP")


@_of_url
def websocket(client: HttpClient) -> Finding:
    """Check a session that begins with a WebSocket."""
    connection = client.websocket()
    try:
        connection.expect("0{")
        took = round_trip(connection)
    finally:
        connection.close()
    return ok(f"open; a CONNECT without a token was refused after {took * 1000:.0f} ms")


@_of_url
def upgrade(client: HttpClient) -> Finding:
    """Check a session that begins with polling and upgrades to a WebSocket, as in browsers."""
    connection = client.websocket(client.open())
    try:
        connection.send("2probe")
        connection.expect("3probe")
        connection.send("5")
        took = round_trip(connection)
    finally:
        connection.close()
    return ok(f"polling becomes a WebSocket; a CONNECT without a token was refused after {took * 1000:.0f} ms")


@_of_url
def routing(client: HttpClient) -> Finding:
    """Check that requests of one session reach its node over different connections."""
    nodes, lost, began = set(), 0, time.monotonic()
    for _ in range(_SESSIONS):
        sid = client.open()
        nodes.add(sid.partition("~")[0])
        lost += not client.is_known(sid)
    if lost:
        cure = "Polling clients cannot connect: the proxy must route by the session's id, or by the client's address."
        return fail(
            f"{lost} of {_SESSIONS} sessions reached a node that does not know them",
            cure,
            "deploy/nginx/generate.py --help",
        )
    each = (time.monotonic() - began) * 1000 / _SESSIONS
    return ok(f"{_SESSIONS} sessions reached their node ({', '.join(sorted(nodes))}), {each:.0f} ms each")


@_of_url
def scheme(client: HttpClient) -> Finding:
    """Check that the nodes trust the proxy: if they do, they send over TLS a header that they send only then."""
    headers = client.get("/actuator/health").headers
    is_trusted = "strict-transport-security" in {name.lower() for name in headers}
    if client.is_tls and not is_trusted:
        cure = "The nodes take TLS for plain HTTP: send X-Forwarded-Proto, and add the proxy to IM_TRUSTED_PROXIES."
        return fail("the nodes do not trust the proxy", cure, "proxy_set_header X-Forwarded-Proto $scheme;")
    if not client.is_tls:
        return skip("plain HTTP: see nodes.proxies instead")
    return ok("the nodes trust the proxy's X-Forwarded headers")


@_of_url
def certificate(client: HttpClient) -> Finding:
    """Check that clients accept the certificate, and for how many more days."""
    if not client.is_tls:
        return skip("plain HTTP")
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((client.host, client.port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=client.host) as connection,
        ):
            found = connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as exc:
        return fail(
            exc.verify_message,
            "Clients refuse the certificate: renew it, and install its whole chain.",
            "openssl s_client -connect HOST:443",
        )
    days = (ssl.cert_time_to_seconds(str(found["notAfter"])) - time.time()) / 86_400
    words = f"valid for {days:.0f} days"
    if days > _WARN_DAYS:
        return ok(words)
    make = fail if days < _FAIL_DAYS else warn
    cure = "Renew the certificate, and find out why it is not renewed automatically."
    return make(words, cure, "certbot renew; nginx -s reload")


CHECKS: dict[str, Check] = {
    "front.health": health,
    "front.websocket": websocket,
    "front.upgrade": upgrade,
    "front.routing": routing,
    "front.scheme": scheme,
    "front.certificate": certificate,
}
