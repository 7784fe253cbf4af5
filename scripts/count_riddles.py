"""Count the words that make prose hard to read, and fail if there are too many of them.

Usage: scripts/count_riddles.py [--list] [--at-most RATE] PATH...

In a sentence built on one of the words in RIDDLES, the reader must search for the subject. Write subject, verb, object,
and name the thing (CONTRIBUTING.md, "Plain English").

Prints the number of such words per 1,000 lines of the tracked text files below each PATH. --list also prints every line
that contains one. Exit codes: 0 the rate of each PATH is within --at-most (no limit by default), 1 it is above.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

#: The words that are counted.
RIDDLES = re.compile(r"(?<![a-z])(who|whom|whose|whoever|thereof|no more|not any more|so many)(?![a-z])", re.IGNORECASE)

#: Files without prose: pictures, compressed files, databases, and npm's lock file.
NOT_PROSE = (".png", ".svg", ".ico", ".woff2", ".gz", ".sqlite3", "package-lock.json")


def tracked_files(path: str) -> list[Path]:
    """Return the files below `path` that git tracks, except files without prose."""
    command = ["git", "ls-files", "-z", "--", path]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own command
    return [Path(name) for name in listing.split("\0") if name and not name.endswith(NOT_PROSE)]


def count(path: str, show: bool) -> float:
    """Print the number of such words per 1,000 lines below `path`; return the rate."""
    lines = found = 0
    for file in tracked_files(path):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            lines += 1
            here = len(RIDDLES.findall(line))
            found += here
            if here and show:
                print(f"{file}:{number}: {line.strip()}")
    rate = 1000 * found / max(lines, 1)
    print(f"{path}: {found} in {lines} lines, {rate:.1f} per 1,000")
    return rate


def main() -> int:
    """Count the words below each PATH; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--at-most", type=float, default=float("inf"))
    parser.add_argument("paths", nargs="+", metavar="PATH")
    arguments = parser.parse_args()
    rates = [count(path, arguments.list) for path in arguments.paths]
    return int(max(rates) > arguments.at_most)


if __name__ == "__main__":
    sys.exit(main())
