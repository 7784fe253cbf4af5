"""Tools for the faults: loads, priorities, a debugger, control groups."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import ROOT

_IS_FIRST_VERSION = Path("/sys/fs/cgroup/memory").is_dir()
LIMIT = "memory.limit_in_bytes" if _IS_FIRST_VERSION else "memory.max"


@contextmanager
def running(command: list[str], environ: dict[str, str] | None = None) -> Iterator[None]:
    """Run a load until the context is left."""
    load = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        load.kill()
        load.wait()


@contextmanager
def preferred(pid: int) -> Iterator[None]:
    """Give a process that must be busy its own core, whatever else this machine does."""
    os.setpriority(os.PRIO_PROCESS, pid, -15)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, pid, 0)


@contextmanager
def memory_group() -> Iterator[Path]:
    """Provide a control group for memory, of version 1 or 2."""
    group = Path("/sys/fs/cgroup", "memory" if _IS_FIRST_VERSION else "", "imapp-alerts")
    group.mkdir()
    try:
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()


def inject(pid: int, code: str) -> None:
    """Run Python in another process."""
    steps = [
        "call (int)PyGILState_Ensure()",
        f'call (int)PyRun_SimpleString("{code}")',
        "call (void)PyGILState_Release($1)",
    ]
    command = ["gdb", "-nx", "-batch", "-p", str(pid)]
    subprocess.run([*command, *(word for step in steps for word in ("-ex", step))], check=True, capture_output=True)


@contextmanager
def repeated(seconds: float, do: Callable[[], object]) -> Iterator[None]:
    """Repeat an action until the context is left."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(seconds):
            do()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
