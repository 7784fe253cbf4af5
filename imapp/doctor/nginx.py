"""Checks of the Nginx configuration (--nginx), as far as the nodes and their sockets depend on it."""

from collections.abc import Callable
from functools import wraps

from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.nginx_effective import EffectiveConfig, effective_config, seconds, size, workers
from imapp.doctor.runner import Check

_GENERATE = "deploy/nginx/generate.py --help"


def _of_config(judge: Callable[[Context, EffectiveConfig], Finding]) -> Check:
    """Make a check that is skipped without --nginx."""

    @wraps(judge)
    def check(context: Context) -> Finding:
        found = context.once(effective_config)
        return skip("no --nginx FILE was given") if found is None else judge(context, found)

    return check


@_of_config
def timeouts(context: Context, found: EffectiveConfig) -> Finding:
    """Check the proxy timeouts: an idle socket carries no data until the next ping, and then until the pong."""
    needed = context.settings.ping_interval_seconds + context.settings.ping_timeout_seconds
    values = {name: found.value(name, "60s") for name in ("proxy_read_timeout", "proxy_send_timeout")}
    words = (
        ", ".join(f"{name} {value}" for name, value in values.items()) + f"; ping interval and timeout are {needed} s"
    )
    if min(map(seconds, values.values())) <= needed:
        cure = "Raise both: Nginx closes idle sockets before the heartbeat uses them."
        return fail(words, cure, f"proxy_read_timeout {needed + 15}s; proxy_send_timeout {needed + 15}s;")
    return ok(words)


@_of_config
def upgrade(_context: Context, found: EffectiveConfig) -> Finding:
    """Check the directives that pass a WebSocket handshake on."""
    headers = found.headers()
    missing = [] if found.value("proxy_http_version", "1.0") == "1.1" else ["proxy_http_version 1.1;"]
    missing += [] if headers.get("upgrade") == "$http_upgrade" else ["proxy_set_header Upgrade $http_upgrade;"]
    connection = headers.get("connection", "")
    if not (connection.lower() == "upgrade" or connection.startswith("$")):
        missing.append('proxy_set_header Connection "upgrade";')
    if missing:
        cure = "Add the lines to the location of Socket.IO: WebSockets fail, and all clients stay with polling."
        return fail("WebSockets are not passed on", cure, " ".join(missing))
    return ok("HTTP/1.1, Upgrade and Connection are passed on")


@_of_config
def forwarded(_context: Context, found: EffectiveConfig) -> Finding:
    """Check the headers with the client's address, the host and the scheme."""
    headers = found.headers()
    if not headers.get("x-forwarded-for"):
        cure = "Pass the client's address on: otherwise all clients share the rate limits of Nginx' address."
        return fail("X-Forwarded-For is not set", cure, "proxy_set_header X-Forwarded-For $remote_addr;")
    if headers.get("host", "$proxy_host") == "$proxy_host":
        cure = "Pass the host on: otherwise the nodes take their own page for another origin's."
        return fail("Host is not passed on", cure, "proxy_set_header Host $http_host;")
    if headers.get("x-forwarded-proto") != "$scheme":
        cure = "Pass the scheme on: otherwise, behind TLS, the nodes take their own page for another origin's."
        return warn("X-Forwarded-Proto is not set", cure, "proxy_set_header X-Forwarded-Proto $scheme;")
    return ok(f"X-Forwarded-For {headers['x-forwarded-for']}, X-Forwarded-Proto and Host are passed on")


@_of_config
def body(context: Context, found: EffectiveConfig) -> Finding:
    """Check that Nginx passes bodies on up to the size that the nodes accept."""
    needed = max(context.settings.request_max_bytes, context.settings.max_payload_bytes)
    value = found.value("client_max_body_size", "1m")
    words = f"client_max_body_size {value}; the nodes accept {needed} bytes"
    command = f"client_max_body_size {-(-needed // 1024)}k;"
    if 0 < size(value) < needed:
        return fail(words, "Raise it: Nginx refuses (413) bodies that the nodes accept.", command)
    if size(value) == 0 or size(value) > 64 * needed:
        return warn(words, "Lower it: Nginx stores large bodies that the nodes refuse.", command)
    return ok(words)


@_of_config
def buffering(_context: Context, found: EffectiveConfig) -> Finding:
    """Check that Nginx does not buffer the answers to polls."""
    value = found.value("proxy_buffering", "on")
    if value != "off":
        cure = "Turn it off for /socket.io/: Nginx buffers answers to polling clients before it passes them on."
        return warn("proxy_buffering on for /socket.io/", cure, "proxy_buffering off;")
    return ok("proxy_buffering off for /socket.io/")


@_of_config
def sticky(_context: Context, found: EffectiveConfig) -> Finding:
    """Check that all requests of one session reach one node."""
    target = found.value("proxy_pass", "").removeprefix("http://").split("/")[0]
    routes = [one for one in found.maps(target) if one.words[0] == "$arg_sid"]
    if routes:
        return ok(f"polling is routed by the session's id ({len(routes[0].block) - 1} nodes)")
    nodes = [found.upstreams()[one] for one in found.targets() if one in found.upstreams()]
    crowd = [one for one in nodes if len(one.all("server")) > 1]
    loose = [one.words[0] for one in crowd if not (one.all("ip_hash") or one.all("hash"))]
    if loose:
        cure = "Route by the session's id: requests of polling clients reach nodes that do not know the session (400)."
        return fail(f"upstream {', '.join(loose)} spreads one session's requests over its servers", cure, _GENERATE)
    return ok("one address, one node" if crowd else "one node")


@_of_config
def connections(context: Context, found: EffectiveConfig) -> Finding:
    """Check worker_connections: Nginx needs two connections for each client."""
    events = found.main.all("events")
    if not events:
        return skip("no events block in this file: use the whole configuration (--nginx -)")
    each = int(next((one.words[0] for one in events[0].all("worker_connections")), "512"))
    upstream = max(
        (len(found.upstreams()[one].all("server")) for one in found.targets() if one in found.upstreams()), default=1
    )
    total, needed = each * workers(found.main), 2 * context.settings.max_connections * upstream
    words = f"worker_connections {each} x {workers(found.main)}; the clients of {upstream} nodes need up to {needed}"
    files = int(next((one.words[0] for one in found.main.all("worker_rlimit_nofile")), "0"))
    if total < needed:
        cure = "Raise it: Nginx refuses clients before the nodes are full."
        return warn(words, cure, f"worker_connections {-(-needed // workers(found.main))};")
    if files and files < each:
        cure = "Raise it: a worker runs out of open files before it runs out of connections."
        return warn(
            f"worker_rlimit_nofile {files} for worker_connections {each}", cure, f"worker_rlimit_nofile {2 * each};"
        )
    return ok(words)


CHECKS: dict[str, Check] = {
    "nginx.timeouts": timeouts,
    "nginx.upgrade": upgrade,
    "nginx.forwarded": forwarded,
    "nginx.body": body,
    "nginx.buffering": buffering,
    "nginx.sticky": sticky,
    "nginx.connections": connections,
}
