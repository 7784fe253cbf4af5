"""Checks of the program: versions, and a dry start."""

import json
import platform
import re
import subprocess
import sys
from importlib import metadata

from imapp.doctor.context import Context
from imapp.doctor.dry_start import DryStart
from imapp.doctor.finding import Finding, fail, ok, skip, warn

_OLDEST_PYTHON = (3, 11)

#: Time limit for loading the program on a busy machine, in seconds.
_DRY_START_SECONDS = 20

#: A pin without a condition: a package pinned only for other versions of Python may be missing.
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) *\\?$", re.MULTILINE)
_INSTALL = "scripts/setup.sh"


def python_version(_context: Context) -> Finding:
    """Check the version of Python."""
    text = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    if sys.version_info < _OLDEST_PYTHON:
        return fail(text, "Python 3.11 or newer is needed: install it and recreate .venv.", _INSTALL)
    return ok(text)


def packages(context: Context) -> Finding:
    """Compare the installed packages with the pinned versions."""
    file = context.project / "requirements.txt"
    if not file.is_file():
        return skip("no requirements.txt beside the program to compare with")
    pins = dict(_PIN.findall(file.read_text("utf-8")))
    drift = [words for name, pinned in pins.items() if (words := _drift(name, pinned))]
    if not drift:
        return ok(f"{len(pins)} packages as pinned")
    is_missing = any("missing" in words for words in drift)
    make = fail if is_missing else warn
    return make("; ".join(drift), "Install the versions in requirements.txt: only these are tested.", _INSTALL)


def _drift(name: str, pinned: str) -> str:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing ({pinned} is pinned)"
    return "" if found == pinned else f"{name} is {found}, not {pinned}"


def _dry_start(context: Context) -> DryStart:
    ran = subprocess.run(
        [sys.executable, "-m", "imapp.doctor.dry_start"],
        cwd=context.project,
        capture_output=True,
        text=True,
        timeout=_DRY_START_SECONDS,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError((ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1])
    found: DryStart = json.loads(ran.stdout.splitlines()[-1])
    return found


def patches(context: Context) -> Finding:
    """Check in a dry start that gevent patches the modules that block before they are imported."""
    found = context.once(_dry_start)
    wrong = [f"not patched: {', '.join(found['unpatched'])}"] if found["unpatched"] else []
    wrong += found["warnings"]
    if wrong:
        cure = "Network modules are imported before gevent's patches: check PYTHONPATH, sitecustomize and *.pth files."
        return fail("; ".join(wrong), cure, "python -v -c '' 2>&1 | grep -i -e sitecustomize -e pth")
    return ok(f"{found['worker']} patches all modules that block")


def transport(context: Context) -> Finding:
    """Check that the transport in use is the one of the settings, and not the fall-back."""
    started, wanted = context.once(_dry_start), context.settings.transport
    found, worker = started["transport"], started["worker"]
    if found != wanted:
        cure = "The worker is not gevent's: start the node with the project's gunicorn.conf.py."
        return fail(f"the transport is {found}, but IM_TRANSPORT is {wanted}", cure, "scripts/run.sh")
    if found == "stock" and worker != "WebSocketWorker":
        cure = "With this worker every WebSocket fails: start the node with the project's gunicorn.conf.py."
        return fail(f"IM_TRANSPORT=stock needs gevent-websocket's worker, not {worker}", cure, "scripts/run.sh")
    if found == "stock":
        cure = "The fall-back is slower and handles slow clients less well: use the engine again when you can."
        return warn("the transport is python-engineio's", cure, "IM_TRANSPORT=engine")
    return ok("the transport is imapp's own engine")


CHECKS = {
    "program.python": python_version,
    "program.packages": packages,
    "program.patches": patches,
    "program.transport": transport,
}
