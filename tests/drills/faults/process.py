"""What the operating system reports about a node's worker: files, memory, processor time."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import Server


def open_files(node: Server) -> int:
    """Return the number of open files."""
    return len(os.listdir(f"/proc/{node.worker}/fd"))  # noqa: PTH208 - only counted


def bytes_of(node: Server) -> int:
    """Return the resident memory in bytes."""
    return int(Path(f"/proc/{node.worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(node: Server) -> float:
    """Return the processor time used, in seconds."""
    fields = Path(f"/proc/{node.worker}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def few_files(node: Server, count: int) -> Iterator[None]:
    """Limit the number of open files to `count` inside the block."""
    was = resource.prlimit(node.worker, resource.RLIMIT_NOFILE)
    resource.prlimit(node.worker, resource.RLIMIT_NOFILE, (count, was[1]))
    try:
        yield
    finally:
        resource.prlimit(node.worker, resource.RLIMIT_NOFILE, was)
