"""Print the state of a node in one line: STATE CONNECTIONS USERS.

Usage: python scripts/node_state.py HOST PORT

STATE is ready, draining, not-ready:COMPONENT,... or unreachable. The numbers are "-" if the node does not show them.
"""

import json
import sys
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

#: Seconds to wait for the node's answer, longer than the time limits of the node's own probes.
TIMEOUT = 6


def ask(host: str, port: int, path: str) -> tuple[int, bytes]:
    """Send a GET request; return status and body. Raises OSError or HTTPException."""
    connection = HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=TIMEOUT)  # noqa: S104 - not bound here
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def state(host: str, port: int) -> str:
    """Return "ready", or the reason why the node should get no requests."""
    status, body = ask(host, port, "/actuator/health/readiness")
    if status == 200:
        return "ready"
    down = [name for name, one in json.loads(body)["components"].items() if one["status"] != "UP"]
    return "draining" if "drain" in down else "not-ready:" + ",".join(down)


def numbers(host: str, port: int) -> str:
    """Return the numbers of connections and of users of the node."""
    _, body = ask(host, port, "/actuator/prometheus")
    values = dict(line.split(" ", 1) for line in body.decode().splitlines() if line and not line.startswith("#"))
    return " ".join(f"{float(values[name]):.0f}" for name in ("imapp_connections", "imapp_online_users"))


def main(host: str, port: int) -> str:
    """Return the line about the node."""
    try:
        found = state(host, port)
    except (OSError, HTTPException, ValueError, KeyError):
        return "unreachable - -"
    with suppress(OSError, HTTPException, ValueError, KeyError):
        return f"{found} {numbers(host, port)}"
    return f"{found} - -"


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], int(sys.argv[2])) + "\n")
