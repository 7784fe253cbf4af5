"""Free ports, and waiting for a condition."""

import socket
import time
from contextlib import suppress


def free_port() -> int:
    """Return a port that no program listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


#: Seconds in which the cluster keeps the shorter promises of docs/architecture.md ("How lost pushes are found"): at
#: most 12.5 there, with slack for a busy machine, and fewer than the 24 after which the comparison mends any loss.
WITHIN = 20


def wait_for(check, seconds: float = 60, what: str = "it") -> None:
    """Call `check` until it returns true; fail after `seconds`. `what` names the condition in the error."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            if check():
                return
        time.sleep(0.03)
    raise AssertionError(f"{what} did not happen within {seconds} s")
