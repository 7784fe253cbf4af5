"""Disk space, and what takes it."""

import shutil
import tempfile
from pathlib import Path

from imapp.doctor.case import Case
from imapp.doctor.finding import Finding, fail, ok, skip, warn

#: So many times the bytes at which a node is not ready any more are told in time.
_EARLY = 10

#: Bytes of a log file that nobody seems to rotate.
_LOG_BYTES = 1024**3


def space(case: Case) -> Finding:
    """Where the data, the logs and temporary files are."""
    folders = (case.settings.data_dir, case.project / "logs", Path(tempfile.gettempdir()))
    free = {folder: shutil.disk_usage(folder).free for folder in folders if folder.is_dir()}
    folder, least = min(free.items(), key=lambda one: one[1])
    threshold = case.settings.disk_threshold_bytes
    words = f"{least / 2**20:.0f} MiB free for {folder}; below {threshold / 2**20:.0f} a node is not ready"
    command = f"df -h {folder}; du -xh --max-depth 2 {folder} | sort -h | tail"
    if least < threshold:
        return fail(words, "Free some: old logs, old backups, binary logs.", command)
    if least < _EARLY * threshold:
        return warn(words, "It will be full soon: free some.", command)
    return ok(words)


def logs(case: Case) -> Finding:
    """Log files that grow without end."""
    folder = case.project / "logs"
    if not folder.is_dir():
        return skip(f"no {folder}: the logs go elsewhere")
    sizes = {file.name: file.stat().st_size for file in folder.glob("*") if file.is_file()}
    large = [f"{name} {size / 2**30:.1f} GiB" for name, size in sizes.items() if size > _LOG_BYTES]
    if large:
        return warn(", ".join(large), "Rotate them (operations: Logs).", "logrotate -d /etc/logrotate.d/imapp")
    return ok(f"{len(sizes)} files, {sum(sizes.values()) / 2**20:.0f} MiB")


CHECKS = {"disk.space": space, "disk.logs": logs}
