"""The program: versions, and whether it starts as it should."""

import json
import platform
import re
import subprocess
import sys
from importlib import metadata
from typing import Any

from imapp.doctor.case import Case
from imapp.doctor.finding import Finding, fail, ok, skip, warn

_OLDEST_PYTHON = (3, 11)

#: Seconds that loading the program may take on a busy machine.
_REHEARSAL_SECONDS = 20

#: A pin without a condition: what is pinned for other versions of Python only may be missing.
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) *\\?$", re.MULTILINE)
_INSTALL = "scripts/setup.sh"


def python_version(_case: Case) -> Finding:
    """Old enough to be known, new enough to run this."""
    text = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    if sys.version_info < _OLDEST_PYTHON:
        return fail(text, "Python 3.11 or newer is needed: install it and make .venv anew.", _INSTALL)
    return ok(text)


def packages(case: Case) -> Finding:
    """What is installed is what is pinned."""
    file = case.project / "requirements.txt"
    if not file.is_file():
        return skip("no requirements.txt beside the program: nothing to compare with")
    pins = dict(_PIN.findall(file.read_text("utf-8")))
    drift = [words for name, pinned in pins.items() if (words := _drift(name, pinned))]
    if not drift:
        return ok(f"{len(pins)} packages as pinned")
    is_missing = any("missing" in words for words in drift)
    make = fail if is_missing else warn
    return make("; ".join(drift), "Install what requirements.txt pins: nothing else was tested.", _INSTALL)


def _drift(name: str, pinned: str) -> str:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing ({pinned} is pinned)"
    return "" if found == pinned else f"{name} is {found}, not {pinned}"


def _rehearsal(case: Case) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "imapp.doctor.rehearsal"],
        cwd=case.project,
        capture_output=True,
        text=True,
        timeout=_REHEARSAL_SECONDS,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError((ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1])
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def patches(case: Case) -> Finding:
    """A start as gunicorn makes it: the patches come before whatever waits is imported."""
    found = case.once(_rehearsal)
    wrong = [f"not patched: {', '.join(found['unpatched'])}"] if found["unpatched"] else []
    wrong += found["told"]
    if wrong:
        cure = "Something imports network modules before gevent's patches: see PYTHONPATH, sitecustomize, *.pth files."
        return fail("; ".join(wrong), cure, "python -v -c '' 2>&1 | grep -i -e sitecustomize -e pth")
    return ok(f"{found['worker']} patches before anything waits")


def transport(case: Case) -> Finding:
    """Which transport is in force, and that it is the one of the settings."""
    found, wanted = case.once(_rehearsal)["transport"], case.settings.transport
    if found != wanted:
        cure = "The worker is not gevent's: start the node with the project's gunicorn.conf.py."
        return fail(f"{found} serves, IM_TRANSPORT is {wanted}", cure, "scripts/run.sh")
    if found == "stock":
        cure = "The fall-back is slower and stops slow clients less well: go back when the reason is gone."
        return warn("python-engineio's own transport serves", cure, "IM_TRANSPORT=engine")
    return ok("the product's own engine serves")


CHECKS = {
    "program.python": python_version,
    "program.packages": packages,
    "program.patches": patches,
    "program.transport": transport,
}
