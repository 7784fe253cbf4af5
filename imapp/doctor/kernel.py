"""What the system lets a node have. Where nodes answer, their own limit counts; otherwise this shell's."""

import resource
import socket
from pathlib import Path

from imapp.doctor.case import Case
from imapp.doctor.finding import Finding, fail, ok, skip, warn

#: Files besides the clients' sockets: Redis, the database, logs, those of Python.
RESERVE = 200

#: gunicorn's default, which the project leaves as it is: connections that may wait to be accepted.
_BACKLOG = 2048

#: What the engine asks the kernel for, in ms: to drop a peer that does not acknowledge (engine/limits.py).
_USER_TIMEOUT_MS = 20_000

_PROC = Path("/proc")


def files(case: Case) -> Finding:
    """Each socket is a file; gunicorn.conf.py takes all that the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = case.settings.max_connections + RESERVE
    text = f"soft {_number(soft)}, hard {_number(hard)}; IM_MAX_CONNECTIONS and {RESERVE} more are {needed}"
    if hard != resource.RLIM_INFINITY and hard < needed:
        cure = "Raise the hard limit where the node is started (systemd: LimitNOFILE), or lower the setting."
        return fail(text, cure, f"ulimit -Hn {needed}; or IM_MAX_CONNECTIONS={max(10, hard - RESERVE)}")
    return ok(text)


def backlog(_case: Case) -> Finding:
    """The kernel cuts a listen queue to somaxconn: a crowd that comes back at once would be turned away."""
    found = _sysctl("net/core/somaxconn")
    if found < _BACKLOG:
        cure = "The kernel shortens the queue of new connections: a crowd that reconnects is turned away."
        return warn(f"somaxconn {found}, gunicorn asks for {_BACKLOG}", cure, "sysctl -w net.core.somaxconn=4096")
    return ok(f"somaxconn {found}, gunicorn asks for {_BACKLOG}")


def half_open(_case: Case) -> Finding:
    """The same for handshakes that are not complete."""
    found = _sysctl("net/ipv4/tcp_max_syn_backlog")
    if found < _BACKLOG // 4:
        cure = "Few handshakes may be under way at one time: many phones that return together have to try again."
        return warn(f"tcp_max_syn_backlog {found}", cure, "sysctl -w net.ipv4.tcp_max_syn_backlog=2048")
    return ok(f"tcp_max_syn_backlog {found}")


def dead_peers(_case: Case) -> Finding:
    """Peers that vanish are dropped by TCP_USER_TIMEOUT and the heartbeat: keepalive times do not matter."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
            found = probe.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    except OSError as exc:
        cure = "Peers that vanish are only noticed by the heartbeat on this kernel: run on Linux proper."
        return warn(f"TCP_USER_TIMEOUT cannot be set: {exc.strerror}", cure, "uname -a")
    return ok(f"TCP_USER_TIMEOUT {found} ms and the heartbeat find dead peers; tcp_keepalive_time is not relied on")


def ports(case: Case) -> Finding:
    """Nginx on this machine needs a port of its own for each connection to one and the same node."""
    if case.nginx is None and not _is_nginx_here():
        return skip("no Nginx on this machine")
    low, high = map(int, (_PROC / "sys/net/ipv4/ip_local_port_range").read_text("ascii").split())
    text = f"{high - low + 1} ports ({low} to {high}) for Nginx' connections to one address of a node"
    if high - low + 1 < case.settings.max_connections:
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
            continue  # it has just ended
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
