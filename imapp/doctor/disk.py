"""Checks of free disk space and of the size of log files."""

import shutil
import tempfile
from pathlib import Path

from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail, ok, skip, warn

#: A check warns while less than this multiple of IM_DISK_THRESHOLD_BYTES is free.
_EARLY = 10

#: Size in bytes above which a log file is apparently not rotated.
_LOG_BYTES = 1024**3


def space(context: Context) -> Finding:
    """Check the free space for the data, the logs and temporary files."""
    folders = (context.settings.data_dir, context.project / "logs", Path(tempfile.gettempdir()))
    free = {folder: shutil.disk_usage(folder).free for folder in folders if folder.is_dir()}
    folder, least = min(free.items(), key=lambda one: one[1])
    threshold = context.settings.disk_threshold_bytes
    words = f"{least / 2**20:.0f} MiB free for {folder}; below {threshold / 2**20:.0f} MiB a node is not ready"
    command = f"df -h {folder}; du -xh --max-depth 2 {folder} | sort -h | tail"
    if least < threshold:
        return fail(words, "Free space: delete old logs, old backups or binary logs.", command)
    if least < _EARLY * threshold:
        return warn(words, "Free space: the disk will be full soon.", command)
    return ok(words)


def logs(context: Context) -> Finding:
    """Check for log files that are not rotated."""
    folder = context.project / "logs"
    if not folder.is_dir():
        return skip(f"no folder {folder}: the logs are written elsewhere")
    sizes = {file.name: file.stat().st_size for file in folder.glob("*") if file.is_file()}
    large = [f"{name} {size / 2**30:.1f} GiB" for name, size in sizes.items() if size > _LOG_BYTES]
    if large:
        cure = "Rotate the log files (docs/operations.md, Logs)."
        return warn(", ".join(large), cure, "logrotate -d /etc/logrotate.d/imapp")
    return ok(f"{len(sizes)} files, {sum(sizes.values()) / 2**20:.0f} MiB")


CHECKS = {"disk.space": space, "disk.logs": logs}
