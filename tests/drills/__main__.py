"""Run drills: `python -m tests.drills [NAME...] [--without NAME...] [--groups N] [--report FILE]`.

Exit codes: 0 all passed, 1 a drill failed (or could not run and was not excluded), 2 an unknown drill.
"""

import argparse
import shlex
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.drills import covered, drill, report
from tests.drills.covered import COVERED, Covered
from tests.drills.crowd import Shape
from tests.drills.drill import Drill, Result
from tests.drills.faults import bus, clients, database, network, nodes, rights
from tests.drills.testbed import own_folder

_DRILLS: list[Drill | Covered] = [
    *bus.DRILLS, *database.DRILLS, *nodes.DRILLS, *network.DRILLS, *clients.DRILLS, *rights.DRILLS, *COVERED,
]  # fmt: skip


def resized(one: Drill | Covered, groups: int) -> Drill | Covered:
    """Return the drill with this number of groups, unless the drill needs a crowd of its own size."""
    if isinstance(one, Covered) or one.shape.groups != Shape().groups:
        return one
    return replace(one, shape=replace(one.shape, groups=groups))


def find(names: list[str], without: list[str]) -> list[Drill | Covered]:
    """Return the drills with these names, or all if there are no names; "R1" stands for R1-3s and R1-20s too."""

    def is_meant(one: Drill | Covered, words: list[str]) -> bool:
        return one.name in words or one.name.partition("-")[0] in words

    for word in (*names, *without):
        if not any(is_meant(one, [word]) for one in _DRILLS):
            raise SystemExit(f"No drill is called {word}: see --list.")
    wanted = [one for one in _DRILLS if not names or is_meant(one, names)]
    return [one for one in wanted if not is_meant(one, without)]


def run_one(one: Drill | Covered) -> Result:
    """Run a drill in a folder of its own."""
    if isinstance(one, Covered):
        return covered.run(one)
    with tempfile.TemporaryDirectory(prefix="imapp-drill-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        return drill.run(one, Path(folder))


def main() -> int:
    """Run the drills given on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description="Run fault drills, print a table.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="run only these; R1 means all of R1-...")
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="run all but these")
    parser.add_argument(
        "--groups", type=int, default=Shape().groups, help="groups of 12 users, in drills with the usual crowd"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the table as Markdown too")
    parser.add_argument("--list", action="store_true", help="only list the drills")
    options = parser.parse_args()
    chosen = [resized(one, options.groups) for one in find(options.names, options.without)]
    if options.list:
        say("\n".join(f"{one.name:<12}{one.injected}" for one in chosen))
        return 0
    # On SIGTERM, exit through the `finally` blocks that stop the started processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say(report.line(report.HEAD))
    results: list[Result] = []
    for one in chosen:
        began = time.monotonic()
        results.append(run_one(one))
        say(f"{report.line(report.cells(results[-1]))} [{time.monotonic() - began:.0f} s]")
        if options.report:
            # Write after each drill, so that an aborted long run leaves a report.
            command = shlex.join([".venv/bin/python", "-m", "tests.drills", *sys.argv[1:]])
            options.report.write_text(report.page(results, command, _crowd(options.groups)))
    failed = [result.name for result in results if not result.passed]
    say(f"{len(results) - len(failed)} of {len(results)} passed" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return bool(failed)


def _crowd(groups: int) -> str:
    usual = Shape(groups)
    writing = usual.groups * usual.senders
    return f"{usual.users} clients in {usual.groups} groups, {writing} of them writing, unless said otherwise"


def say(text: str) -> None:
    """Print a line and flush it at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
