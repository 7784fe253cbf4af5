#!/usr/bin/env python3
"""Whether this container's node is ready, for Docker: exit code 0 or 1, one line says what is not.

Usage: python healthcheck.py

Environment: PORT (8080).
"""

import os
import sys
import urllib.error
import urllib.request

#: Seconds; the node's own probes are bounded below that.
TIMEOUT = 5


def main() -> int:
    """Ask the node; give the exit code."""
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
