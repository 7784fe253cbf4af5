"""Check quickly whether Redis answers, without loading the application.

Usage: python scripts/check_redis.py

Exit codes: 0 it answers, 2 and 6 as in config.py, 8 it does not answer (one line on standard error).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config import SettingsError, load_settings
from imapp.cluster.bus.resp import ask_once
from imapp.cluster.redis_url import parse

ABSENT = 8


def main() -> int:
    """Try each host until one answers; return the exit code."""
    address = parse(load_settings().redis_url or "redis://127.0.0.1:6379/0")
    problem = None
    for host, port in address.hosts or [("", 0)]:
        try:
            ask_once(address, host, port, "PING", is_sentinel=address.kind == "sentinel")
        except OSError as exc:
            problem = exc
        else:
            return 0
    sys.stderr.write(f"Redis does not answer at {address} ({problem}) / Redis 未运行或无法连接 {address}\n")
    return ABSENT


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        sys.exit(exc.exit_code)
