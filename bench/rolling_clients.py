"""The crowd of a rolling restart: half of the users write to the other half; started by rolling.py.

Prints `sending`. When its stdin is closed and everything has arrived, prints one JSON line with each user's messages.
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402 - gevent must patch first
import json  # noqa: E402 - as above
import sys  # noqa: E402 - as above
import time  # noqa: E402 - as above
from collections import Counter  # noqa: E402 - as above
from pathlib import Path  # noqa: E402 - as above

import gevent  # noqa: E402 - as above

from bench.rolling_user import User  # noqa: E402 - as above

#: Seconds after the last send until all messages must have arrived.
_SETTLE = 20


class Crowd:
    """All users; each user with an even index writes to the next one."""

    def __init__(self, ports: list[int], tokens: list[str]) -> None:
        self.ports = ports
        self.run = f"roll{time.time():.0f}"
        self.counts: Counter[str] = Counter()
        self.longest: dict[str, float] = {}
        self.sent = 0
        self.is_measuring = False
        self.users = [User(self, *line.split()[:2]) for line in tokens]

    def note(self, what: str, seconds: float) -> None:
        """Record the longest time of its kind."""
        if self.is_measuring:
            self.longest[what] = max(self.longest.get(what, 0.0), seconds)

    def send_all(self, rate: float, is_over) -> None:
        """Send each message when it is due."""
        began = time.perf_counter()
        while not is_over():
            while began + self.sent / rate <= time.perf_counter():
                turn, pair = divmod(self.sent, len(self.users) // 2)
                self.users[2 * pair].send(turn + 1, self.users[2 * pair + 1].id)
                self.sent += 1
            gevent.sleep(max(0.0, began + self.sent / rate - time.perf_counter()))

    def is_settled(self) -> bool:
        """Return whether all messages are acknowledged and received."""
        return sum(len(user.acked) for user in self.users) == sum(len(user.seen) for user in self.users) == self.sent

    def views(self) -> dict:
        """Return the messages of each user, and the longest silence."""
        return {
            "run": self.run,
            "sent": self.sent,
            "acked": [client_id for user in self.users for client_id in user.acked],
            "seen": [user.seen for user in self.users],
            "counts": dict(self.counts),
            "longest_ms": {what: round(1000 * seconds) for what, seconds in self.longest.items()},
        }


def wait_for(check, seconds: float) -> None:
    """Wait until the condition is true, at most for the given time."""
    end = time.perf_counter() + seconds
    while not check() and time.perf_counter() < end:
        gevent.sleep(0.05)


def main() -> None:
    """Send until stdin is closed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", required=True)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    options = parser.parse_args()
    ports = [int(port) for port in options.ports.split(",")]
    crowd = Crowd(ports, options.tokens.read_text().splitlines()[: options.users])
    for user in crowd.users:
        gevent.spawn(user.run)
    wait_for(lambda: all(user.link for user in crowd.users), 60)
    ended = gevent.get_hub().threadpool.spawn(sys.stdin.read)
    crowd.is_measuring = True
    print("sending", flush=True)
    crowd.send_all(options.rate, ended.ready)
    wait_for(crowd.is_settled, _SETTLE)
    print(json.dumps(crowd.views()), flush=True)


if __name__ == "__main__":
    main()
