#!/usr/bin/env python3
"""Write the Nginx configuration for a cluster of imapp nodes, to standard output.

    deploy/nginx/generate.py > /etc/nginx/conf.d/imapp.conf
    deploy/nginx/generate.py --node node-1=10.0.0.1:8080:8081 --node node-2=10.0.0.2:8080:8081 \
        --server-name im.example.org --tls-certificate /etc/ssl/im.pem --tls-key /etc/ssl/im.key

Without options: the three nodes of scripts/start-cluster.sh, plain HTTP on port 80. The nodes must trust the proxy:
IM_TRUSTED_PROXIES names its address. Needs Python 3.11 and nothing else.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NODES = ("node-1=127.0.0.1:8080:8081", "node-2=127.0.0.1:8082:8083", "node-3=127.0.0.1:8084:8085")

#: Headers of the web page's files; a test compares them with the headers that the nodes send.
STATIC_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
        "connect-src 'self' ws://$http_host wss://$http_host"
    ),
}
HSTS = "max-age=63072000; includeSubDomains"

_NODE = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]{0,31})=(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+)(:(?P<socketio>\d+))?"
)


@dataclass(frozen=True)
class Node:
    """One node: its name (NODE_ID) and addresses."""

    name: str
    http: str
    socketio: str

    @property
    def upstream(self) -> str:
        """The name of the upstream that contains only this node."""
        return "imapp_" + re.sub(r"\W", "_", self.name)


def parse_node(text: str) -> Node:
    """Parse NAME=HOST:PORT[:SOCKETIO_PORT]; raise ArgumentTypeError if it is invalid."""
    found = _NODE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=HOST:PORT or NAME=HOST:PORT:SOCKETIO_PORT")
    host, port = found["host"], found["port"]
    return Node(found["name"], f"{host}:{port}", f"{host}:{found['socketio'] or port}")


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--node", action="append", type=parse_node, metavar="NAME=HOST:PORT[:SOCKETIO_PORT]", help="repeat for each")
    add("--server-name", default="_", help="host name of the service (any)")
    add("--listen", default=None, help="port (80, with TLS 443)")
    add("--tls-certificate", help="file; turns TLS and HTTP/2 on, port 80 then only redirects")
    add("--tls-key", help="file")
    add("--ip-hash", action="store_true", help="send all clients of one address to one node, as older versions did")
    add("--static", type=Path, help="the project's web/ folder, served by Nginx itself")
    add("--read-timeout", type=int, default=60, help="seconds; above ping interval plus ping timeout (25 + 20)")
    add("--max-body-kib", type=int, default=256, help="the same limit as IM_REQUEST_MAX_BYTES")
    add("--connections-per-address", type=int, default=5000, help="high, because whole offices share one address")
    add("--requests-per-second", type=int, default=500, help="for each address; bursts of twice as many are allowed")
    add(
        "--behind",
        action="append",
        default=[],
        metavar="NETWORK",
        help="network of proxies before this one; their X-Forwarded-For and -Proto are trusted",
    )
    add("--allow", action="append", default=[], help="network that may read /actuator/ (health: everybody)")
    add("--allow-admin", action="append", default=[], help="network that may open /admin (everybody, if none is named)")
    add("--full", type=Path, metavar="PREFIX", help="a whole nginx.conf that runs as an ordinary user in PREFIX")
    options = parser.parse_args(argv)
    options.node = options.node or [parse_node(text) for text in NODES]
    options.listen = options.listen or ("443" if options.tls_certificate else "80")
    if bool(options.tls_certificate) != bool(options.tls_key):
        parser.error("--tls-certificate and --tls-key go together")
    names = ["imapp_sockets", "imapp_http", *(node.upstream for node in options.node)]
    if len(set(names)) < len(names):
        parser.error("names of nodes collide (only letters and digits count)")
    return options


# -- parts: each yields lines; `{` and `}` define the indentation ------------------------------------------------------


def http_part(options: argparse.Namespace) -> Iterator[str]:
    """Yield the content of the http block."""
    yield "# Written by deploy/nginx/generate.py; write it again instead of changing it."
    yield ""
    yield "map $http_upgrade $imapp_connection {"
    yield "default upgrade;"
    yield '"" "";'
    yield "}"
    yield ""
    yield from routing(options)
    yield ""
    yield from behind(options)
    yield "limit_conn_zone $binary_remote_addr zone=imapp_connections:10m;"
    yield f"limit_req_zone $binary_remote_addr zone=imapp_requests:10m rate={options.requests_per_second}r/s;"
    yield "limit_conn_status 429;"
    yield "limit_req_status 429;"
    if options.tls_certificate:
        yield ""
        yield from redirect(options)
    yield ""
    yield from server(options)


def routing(options: argparse.Namespace) -> Iterator[str]:
    """Yield the upstreams and the map that selects one of them for a request."""
    if not options.ip_hash:
        yield "# A session's id begins with its node's name: it leads polling requests to their node from any address."
        yield "map $arg_sid $imapp_sockets {"
        yield "default imapp_sockets;"
        for node in options.node:
            # Some clients escape the `~`.
            yield f'"~^{re.escape(node.name)}(~|%7[Ee])" {node.upstream};'
        yield "}"
        yield ""
    yield "# A new session goes to the node with the fewest connections, counted over all workers of Nginx (zone)."
    yield "# Nginx keeps no record of failures for sockets (max_fails=0): it clears one only when a request ends. A"
    yield "# WebSocket does not end, so a restarted node would get one client in 10 s. A dead node refuses at once, and"
    yield "# proxy_next_upstream tries the next one. REST requests do end: three failures exclude a node for 2 s."
    yield "# Nginx closes idle connections before a node does (2 s): a POST on a closing connection would be a 502."
    yield from upstream("imapp_sockets", [node.socketio for node in options.node], hashed=options.ip_hash)
    yield from upstream("imapp_http", [node.http for node in options.node], marks="max_fails=3 fail_timeout=2s")
    if not options.ip_hash:
        for node in options.node:
            yield from upstream(node.upstream, [node.socketio])


def upstream(name: str, addresses: list[str], *, marks: str = "max_fails=0", hashed: bool = False) -> Iterator[str]:
    """Yield one upstream. `marks` set when failures exclude a server; a single server is never excluded."""
    yield f"upstream {name} {{"
    if len(addresses) > 1:
        # Without a zone each worker of Nginx counts its own connections only.
        yield f"zone {name} 64k;"
    yield "ip_hash;" if hashed else "least_conn;"
    for address in addresses:
        yield f"server {address} {marks if len(addresses) > 1 else 'max_fails=0'};"
    yield "keepalive 64;"
    yield "keepalive_timeout 1s;"
    yield "}"


def behind(options: argparse.Namespace) -> Iterator[str]:
    """Yield how to find the client's address and scheme behind other proxies."""
    if not options.behind:
        return
    yield "# Only the proxies before this one are trusted to state the client's address and scheme."
    for network in options.behind:
        yield f"set_real_ip_from {network};"
    yield "real_ip_header X-Forwarded-For;"
    yield "real_ip_recursive on;"
    yield "geo $realip_remote_addr $imapp_is_proxied {"
    yield "default 0;"
    for network in options.behind:
        yield f"{network} 1;"
    yield "}"
    yield 'map "$imapp_is_proxied $http_x_forwarded_proto" $imapp_scheme {'
    yield "default $scheme;"
    yield '"1 http" http;'
    yield '"1 https" https;'
    yield "}"
    yield ""


def redirect(options: argparse.Namespace) -> Iterator[str]:
    """Yield the redirect from plain HTTP to TLS."""
    yield "server {"
    yield "listen 80;"
    yield f"server_name {options.server_name};"
    yield "server_tokens off;"
    yield "client_header_timeout 10s;"
    port = options.listen.rpartition(":")[2]
    yield f"return 308 https://$host{'' if port == '443' else ':' + port}$request_uri;"
    yield "}"


def server(options: argparse.Namespace) -> Iterator[str]:
    """Yield the server block."""
    yield "server {"
    yield f"listen {options.listen}" + (" ssl http2;" if options.tls_certificate else ";")
    yield f"server_name {options.server_name};"
    if options.tls_certificate:
        yield f"ssl_certificate {options.tls_certificate};"
        yield f"ssl_certificate_key {options.tls_key};"
        yield "ssl_protocols TLSv1.2 TLSv1.3;"
        yield "ssl_session_cache shared:imapp_tls:10m;"
        yield "ssl_session_tickets off;"
    yield "server_tokens off;"
    yield f"client_max_body_size {options.max_body_kib}k;"
    yield "# Cookies of the company's other services may be long; the nodes do not use or get cookies."
    yield "large_client_header_buffers 4 32k;"
    yield "# A client that sends its request slowly occupies no node."
    yield "client_header_timeout 10s;"
    yield "client_body_timeout 10s;"
    yield "send_timeout 20s;"
    yield f"limit_conn imapp_connections {options.connections_per_address};"
    yield f"limit_req zone=imapp_requests burst={2 * options.requests_per_second} nodelay;"
    yield ""
    yield from compression()
    yield ""
    yield from forwarding(options)
    yield ""
    yield from sockets(options)
    yield ""
    yield from requests(options)
    if options.static:
        yield ""
        yield from static(options)
    yield "}"


def compression() -> Iterator[str]:
    """Yield the compression of JSON answers, documents and the page's files, which saves the nodes this work.

    Tokens travel in a header that other sites cannot send, so compressed answers reveal nothing to them (BREACH).
    """
    yield "gzip on;"
    yield "gzip_vary on;"
    yield "gzip_proxied any;"
    yield "gzip_min_length 1024;"
    yield "gzip_types application/json application/problem+json text/css text/javascript image/svg+xml;"


def forwarding(options: argparse.Namespace) -> Iterator[str]:
    """Yield the headers for the nodes; they replace the client's own statements about its address."""
    yield "proxy_http_version 1.1;"
    yield "# With the port; without it the nodes would refuse their own page as one of another origin."
    yield "proxy_set_header Host $http_host;"
    yield "proxy_set_header X-Forwarded-For $remote_addr;"
    yield f"proxy_set_header X-Forwarded-Proto {'$imapp_scheme' if options.behind else '$scheme'};"
    yield 'proxy_set_header X-Forwarded-Host "";'
    yield 'proxy_set_header X-Real-IP "";'
    yield 'proxy_set_header Forwarded "";'
    yield 'proxy_set_header Cookie "";'
    yield "proxy_set_header Upgrade $http_upgrade;"
    yield "proxy_set_header Connection $imapp_connection;"
    yield "# A silent host delays a new session by this time before the next node is tried."
    yield "proxy_connect_timeout 1s;"


def sockets(options: argparse.Namespace) -> Iterator[str]:
    """Yield the location of Socket.IO."""
    yield "location /socket.io/ {"
    yield f"proxy_pass http://{'imapp_sockets' if options.ip_hash else '$imapp_sockets'};"
    yield f"proxy_read_timeout {options.read_timeout}s;"
    yield f"proxy_send_timeout {options.read_timeout}s;"
    yield "proxy_buffering off;"
    yield "# A draining node answers 503 to a new session and a dead one refuses the connection: try the next one. Try"
    yield "# all, because dead nodes have the fewest connections and come first. Opening two sessions does no harm."
    yield "proxy_next_upstream error timeout http_502 http_503;"
    yield "proxy_next_upstream_timeout 10s;"
    yield "}"


def requests(options: argparse.Namespace) -> Iterator[str]:
    """Yield the locations of REST, the page and the actuator."""
    yield "location / {"
    yield "proxy_pass http://imapp_http;"
    yield "proxy_read_timeout 30s;"
    yield "# Only requests that were certainly not executed go to another node (Nginx never repeats a sent POST)."
    yield "proxy_next_upstream error timeout http_502;"
    yield "proxy_next_upstream_tries 2;"
    yield "}"
    yield ""
    if options.allow_admin:
        yield "location ~ ^/(admin$|api/admin/) {"
        for network in options.allow_admin:
            yield f"allow {network};"
        yield "deny all;"
        yield "proxy_pass http://imapp_http;"
        yield "}"
        yield ""
    yield "location /actuator/ {"
    for network in options.allow:
        yield f"allow {network};"
    yield "deny all;"
    yield "proxy_pass http://imapp_http;"
    yield "}"
    yield ""
    yield "location /actuator/health {"
    yield "proxy_pass http://imapp_http;"
    yield "}"


def static(options: argparse.Namespace) -> Iterator[str]:
    """Yield the location of the web page's files, with the headers that the nodes send."""
    headers = STATIC_HEADERS | ({"Strict-Transport-Security": HSTS} if options.tls_certificate else {})
    yield "location ~ ^/web/(css|js|vendor)/ {"
    yield f"root {options.static.resolve().parent};"
    yield "etag on;"
    yield "types {"
    yield "text/css css;"
    yield "text/javascript js mjs;"
    yield "image/svg+xml svg;"
    yield "}"
    for name, value in headers.items():
        yield f'add_header {name} "{value}" always;'
    yield "}"


def full(options: argparse.Namespace) -> Iterator[str]:
    """Yield a whole nginx.conf."""
    prefix = options.full.resolve()
    yield f"pid {prefix}/nginx.pid;"
    yield f"error_log {prefix}/error.log warn;"
    yield "worker_processes auto;"
    yield "# Each client takes two connections here."
    yield "worker_rlimit_nofile 65536;"
    yield "# After a reload old workers keep their WebSockets for this time; then clients reconnect."
    yield "worker_shutdown_timeout 30s;"
    yield "events {"
    yield "worker_connections 32768;"
    yield "multi_accept on;"
    yield "}"
    yield "http {"
    yield f"access_log {prefix}/access.log;"
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        yield f"{kind}_temp_path {prefix}/{kind};"
    yield "default_type application/octet-stream;"
    yield "sendfile on;"
    yield ""
    yield from http_part(options)
    yield "}"


def indented(lines: Iterator[str]) -> Iterator[str]:
    """Indent the lines by their braces."""
    depth = 0
    for line in lines:
        depth -= line == "}"
        yield f"{'    ' * depth}{line}\n" if line else "\n"
        depth += line.endswith("{")


def main(argv: list[str]) -> str:
    """Return the configuration for these arguments."""
    options = arguments(argv)
    return "".join(indented(full(options) if options.full else http_part(options)))


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1:]))
