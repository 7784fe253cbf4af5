"""Checks of the system's limits, as they apply to this shell. The check nodes.running covers those of running nodes."""

import resource
import socket
from pathlib import Path

from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail, ok, skip, warn

#: Open files besides the clients' sockets: Redis, the database, logs, Python's own.
RESERVE = 200

#: Connections that may wait to be accepted: gunicorn's default, which this project does not change.
_BACKLOG = 2048

#: Milliseconds after which the kernel drops a peer that does not acknowledge, as the engine sets it (engine/limits.py).
_USER_TIMEOUT_MS = 20_000

_PROC = Path("/proc")


def files(context: Context) -> Finding:
    """Check the limit of open files: each socket is one. gunicorn.conf.py raises the soft limit to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = context.settings.max_connections + RESERVE
    text = f"soft {_number(soft)}, hard {_number(hard)}; IM_MAX_CONNECTIONS and {RESERVE} more are {needed}"
    if hard != resource.RLIM_INFINITY and hard < needed:
        cure = "Raise the hard limit where the node is started (systemd: LimitNOFILE), or lower IM_MAX_CONNECTIONS."
        return fail(text, cure, f"ulimit -Hn {needed}; or IM_MAX_CONNECTIONS={max(10, hard - RESERVE)}")
    return ok(text)


def backlog(_context: Context) -> Finding:
    """Check somaxconn, to which the kernel limits the queue of new connections."""
    found = _sysctl("net/core/somaxconn")
    if found < _BACKLOG:
        cure = "Raise it: the kernel drops new connections when many clients reconnect at once."
        return warn(f"somaxconn {found}, gunicorn requests {_BACKLOG}", cure, "sysctl -w net.core.somaxconn=4096")
    return ok(f"somaxconn {found}, gunicorn requests {_BACKLOG}")


def half_open(_context: Context) -> Finding:
    """Check tcp_max_syn_backlog, the limit of incomplete TCP handshakes."""
    found = _sysctl("net/ipv4/tcp_max_syn_backlog")
    if found < _BACKLOG // 4:
        cure = "Raise it: when many clients reconnect at once, the kernel drops handshakes, and they must retry."
        return warn(f"tcp_max_syn_backlog {found}", cure, "sysctl -w net.ipv4.tcp_max_syn_backlog=2048")
    return ok(f"tcp_max_syn_backlog {found}")


def dead_peers(_context: Context) -> Finding:
    """Check TCP_USER_TIMEOUT: with the heartbeat it detects vanished peers, so TCP keepalive is not needed."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
            found = probe.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    except OSError as exc:
        cure = "On this kernel only the heartbeat detects vanished peers: run the node on Linux."
        return warn(f"TCP_USER_TIMEOUT cannot be set: {exc.strerror}", cure, "uname -a")
    return ok(f"TCP_USER_TIMEOUT {found} ms and the heartbeat detect dead peers; tcp_keepalive_time is not needed")


def ports(context: Context) -> Finding:
    """Check the local ports: Nginx on this machine needs one for each connection to the same node."""
    if context.nginx is None and not _is_nginx_here():
        return skip("no Nginx on this machine")
    low, high = map(int, (_PROC / "sys/net/ipv4/ip_local_port_range").read_text("ascii").split())
    text = f"{high - low + 1} ports ({low} to {high}) for the connections from Nginx to one address of a node"
    if high - low + 1 < context.settings.max_connections:
        cure = "Fewer ports than IM_MAX_CONNECTIONS: widen the range, or give a node several addresses."
        return warn(text, cure, 'sysctl -w net.ipv4.ip_local_port_range="10240 65535"')
    return ok(text)


def _sysctl(name: str) -> int:
    return int((_PROC / "sys" / name).read_text("ascii"))


def _is_nginx_here() -> bool:
    for file in _PROC.glob("[0-9]*/comm"):
        try:
            if file.read_text("utf-8", errors="replace").strip() == "nginx":
                return True
        except OSError:
            continue  # the process has just ended
    return False


def _number(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)


CHECKS = {
    "system.files": files,
    "system.backlog": backlog,
    "system.half_open": half_open,
    "system.dead_peers": dead_peers,
    "system.ports": ports,
}
