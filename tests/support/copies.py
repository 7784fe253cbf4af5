"""Copies of the project, with the files of a clone."""

import shutil
import subprocess
from pathlib import Path

from tests.support.server import ROOT as PROJECT


def copy_project(target: Path) -> Path:
    """Copy what a clone would contain to `target`: tracked and new files, no ignored ones."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        source = PROJECT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)  # with its time, by which Python knows whether bytecode is current
    return target
