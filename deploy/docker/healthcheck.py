#!/usr/bin/env python3
"""Check for Docker whether this container's node is ready: exit code 0, or 1 with one line that names the cause.

Usage: python healthcheck.py

Environment: PORT (8080).
"""

import os
import sys
import urllib.error
import urllib.request

#: Seconds to wait for the answer; the node bounds its own probes below that.
TIMEOUT = 5


def main() -> int:
    """Query the node and return the exit code."""
    url = f"http://127.0.0.1:{os.environ.get('PORT', '8080')}/actuator/health/readiness"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT):
            return 0
    except urllib.error.HTTPError as exc:
        sys.stdout.write(exc.read().decode() + "\n")
    except OSError as exc:
        sys.stdout.write(f"{exc}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
