"""Run the checker: `python -m tests.checker [--micro N] [--long N] [--seed S ...] [--setup NAME] ...`.

Exit codes: 0 no breach, 1 at least one breach, 2 an invalid option.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.checker import faults, plan, report
from tests.checker.cycle import Result, bound, run
from tests.checker.plan import Cycle, Shape
from tests.checker.setups import SETUPS
from tests.checker.shrink import shrink
from tests.drills.testbed import own_folder

#: Seconds between two comparisons by a node (IM_RECONCILE_SECONDS): short in micro cycles, the default in long ones.
_SHORT, _DEFAULT = 2, 20

#: With --page: number of users that have a page of the web client as an additional device.
_PAGES = 2

#: Maximum number of breaches printed per cycle.
_NAMED = 12

#: Number of runs without a breach after which a smaller plan counts as holding: real faults do not fail each time.
_TRIES = 2


def main() -> int:
    """Run the cycles given on the command line; return the exit code."""
    options = _options()
    # On SIGTERM, exit through the `finally` blocks that stop the started processes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say(report.head())
    results: list[Result] = []
    for result in _results(options):
        results.append(result)
        _tell(result, options)
        if options.report:
            # Write after each cycle, so that an aborted long run leaves a report.
            options.report.write_text(report.page(results))
    say(report.summary(results))
    if options.replay and options.shrink and not results[0].holds:
        _shrink(Cycle.read(options.replay), options)
    return int(not all(result.holds for result in results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description="Check devices under random faults.")
    parser.add_argument("--micro", type=int, default=0, metavar="N", help="short cycles per seed")
    parser.add_argument("--long", type=int, default=0, metavar="N", help="cycles with a minute of load, per seed")
    parser.add_argument(
        "--seed", type=int, nargs="*", default=[int(time.time())], metavar="S", help="default: the current time"
    )
    parser.add_argument("--setup", choices=SETUPS, default="default")
    parser.add_argument("--fault", choices=sorted(faults.FAULTS), help="inject only this fault in short cycles")
    parser.add_argument("--users", type=int, help="default: 8 in short cycles, 30 in long ones")
    parser.add_argument("--page", action="store_true", help="give two users the web client's core as a third device")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report here, after each cycle")
    parser.add_argument("--keep", type=Path, default=Path(), metavar="FOLDER", help="folder for failed cycles")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run this plan again")
    parser.add_argument("--shrink", type=int, default=0, metavar="N", help="shrink the replayed plan in at most N runs")
    options = parser.parse_args()
    if options.fault and options.fault not in SETUPS[options.setup].fault_kinds:
        parser.error(f"{options.setup} has no {options.fault}")
    if not (options.micro or options.long or options.replay):
        parser.error("give a number of cycles: --micro N, --long N, or --replay FILE")
    return options


def _results(options: argparse.Namespace) -> Iterator[Result]:
    if options.replay:
        yield from _play([Cycle.read(options.replay)], options)
    for seed in options.seed:
        short, long = _shape(options, 8), _shape(options, 30)
        yield from _play([plan.micro(seed, number, short, options.fault) for number in range(options.micro)], options)
        yield from _play([plan.long(seed, number, long) for number in range(options.long)], options)


def _tell(result: Result, options: argparse.Namespace) -> None:
    say(report.line(report.cells(result)))
    for breach in result.breaches[:_NAMED]:
        say(f"    {breach}")
    if not result.holds:
        kept = options.keep / f"{_named(result.cycle)}.json"
        result.cycle.write(kept)
        say(f"    to replay: scripts/drills.sh --checker --replay {kept}")


def _named(cycle: Cycle) -> str:
    return f"checker-{cycle.setup}-{cycle.mode}-{cycle.seed}-{cycle.number}"


def _shrink(cycle: Cycle, options: argparse.Namespace) -> None:
    """Shrink the failing cycle and store the result.

    Each run has a new environment: leftovers of an earlier run would be part of the case.
    """
    small = shrink(cycle, lambda one: not next(_play([one], options)).holds, options.shrink, _TRIES)
    kept = options.replay.with_suffix(".small.json")
    small.write(kept)
    say(f"{len(small.ops)} of {len(cycle.ops)} operations, {len(small.faults)} of {len(cycle.faults)} faults: {kept}")


def _shape(options: argparse.Namespace, users: int) -> Shape:
    setup = SETUPS[options.setup]
    seconds = {kind: faults.SECONDS[kind] for kind in setup.fault_kinds}
    users = options.users or users
    return Shape(options.setup, users, len(setup.node_ids), pause=users * 0.045, faults=seconds)


def _play(cycles: list[Cycle], options: argparse.Namespace) -> Iterator[Result]:
    """Run the cycles, all of one mode, in one environment; yield the results. Keep the nodes' logs of a failed one."""
    if not cycles:
        return
    seconds = _SHORT if cycles[0].mode == "micro" else _DEFAULT
    with tempfile.TemporaryDirectory(prefix="imapp-checker-", dir=own_folder(), ignore_cleanup_errors=True) as folder:
        environ = {"IM_RECONCILE_SECONDS": str(seconds)}
        testbed = SETUPS[cycles[0].setup](Path(folder), cycles[0].users, environ, _PAGES * options.page)
        try:
            for one in cycles:
                result = run(testbed, one, bound(seconds))
                if not result.holds:
                    testbed.keep_logs(options.keep, _named(one))
                yield result
        finally:
            testbed.close()


def say(text: str) -> None:
    """Print a line and flush it at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
