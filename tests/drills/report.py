"""The table: a line for each drill, on the terminal and as Markdown with what it ran on."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.drills.drill import Result

HEAD = (
    "drill",
    "injected",
    "healed after",
    "calm",
    "caught up",
    "presence right",
    "lost",
    "doubled",
    "reordered",
    "verdict",
    "notes",
)

#: Letters of each column on the terminal; the notes have the rest.
_WIDTHS = (12, 47, 12, 6, 9, 14, 4, 7, 9, 7)

_PAGE = """# Fault drills, {day}

Command: `{command}`. {passed} of {count} passed.

Machine: {machine}.

{words}

{table}
"""

#: What the columns mean, for whoever reads only the report.
_WORDS = """Three nodes with a real Redis and MariaDB for each drill, {crowd}.
*Healed after*: seconds from the end of the fault (of a kill: from the kill) until all clients were connected and every
reader was pushed what others sent at other nodes. *Calm*: what the same took just before, without a fault: senders
pause, and other work on the machine takes its time; a bound counts beyond it. *Caught up*: until every reader had seen
all that was acknowledged before. *Presence right*: until every node named exactly those online who were. *Lost*,
*doubled*, *reordered*: messages, in the database or on any reader's screen, after all had synced. A drill whose fault
was not felt has failed. "-": a test of the suite is the drill."""


def cells(result: Result) -> list[str]:
    """One line of the table."""
    verdict = result.verdict
    counts = [str(one) for one in (verdict.lost, verdict.doubled, verdict.reordered)] if verdict else ["-"] * 3
    times = [
        "-" if one is None else f"{one:.1f} s" for one in (result.healed, result.calm, result.caught_up, result.present)
    ]
    state = "pass" if result.passed else "FAIL"
    return [result.name, result.injected, *times, *counts, state, "; ".join(result.notes)]


def line(texts: Iterable[str]) -> str:
    """The same for the terminal, in columns."""
    *columns, notes = texts
    return " ".join(f"{text:<{width}}" for text, width in zip(columns, _WIDTHS, strict=True)) + " " + notes


def page(results: Iterable[Result], command: str, crowd: str) -> str:
    """The whole report."""
    rows = [cells(result) for result in results]
    table = [HEAD, ["---"] * len(HEAD), *([text.replace("|", "\\|") for text in row] for row in rows)]
    return _PAGE.format(
        day=datetime.now(UTC).date(),
        command=command,
        passed=sum(row[-2] == "pass" for row in rows),
        count=len(rows),
        machine=_machine(),
        words=_WORDS.format(crowd=crowd),
        table="\n".join("| " + " | ".join(row) + " |" for row in table),
    )


def _machine() -> str:
    cpus = [one for one in Path("/proc/cpuinfo").read_text().splitlines() if one.startswith("model name")]
    packages = ", ".join(f"{name} {version(name)}" for name in ("gunicorn", "gevent", "python-socketio", "websockets"))
    programs = [_says("redis-server", "--version"), _says("mariadbd", "--version"), _says("nginx", "-v")]
    name = cpus[0].partition(":")[2].strip() if cpus else platform.machine()
    load = f"load average at the end {os.getloadavg()[1]:.1f}"
    return (
        f"{os.cpu_count()} cores, {name}; {load}; Python {platform.python_version()}; {packages}; {'; '.join(programs)}"
    )


def _says(program: str, option: str) -> str:
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        return f"no {program}"
    ran = subprocess.run([found, option], capture_output=True, text=True, check=False)
    return (ran.stdout + ran.stderr).strip().splitlines()[0]
