"""Compare engines, and measure the product: each server on core 0, the clients on core 1.

    .venv/bin/python -m bench.realtime [--seconds 5] [--idle 10000] [--parts engines,product] [--out FILE]

Rates are given twice: as seen by the clients, and for each second of processor time of the server. The second value
does not depend on other load of the machine or on the speed of the clients. Needs Node's packages (`npm ci` in
bench/realtime/node), and a C compiler for the upper limit. Writes bench/results/<date>-realtime.md.
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.durable_sends import ROOT, machine
from bench.realtime import engines, product
from bench.realtime.measured import SERVER_CORE


def ceiling(seconds: float) -> str:
    """Measure a C loop that only sends ready frames, as the upper limit."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "ready_frames"
        source = engines.HERE / "ready_frames.c"
        subprocess.run(["cc", "-O2", "-o", program, source], check=True)
        command = ["taskset", "-c", SERVER_CORE, program, str(seconds)]
        # The reading process inherits the core and moves to the other one by itself, which must be free.
        seen, used = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return f"{int(seen):,} / {int(used):,}"


def engine_table(seconds: float, idle: int) -> Iterator[str]:
    """Measure our engine, Node's and the stock one."""
    columns = [engines.measure(name, seconds, idle) for name in engines.ENGINES]
    yield f"| a second as seen / for each second of processor time | {' | '.join(engines.ENGINES)} |"
    yield "|---" * (len(engines.ENGINES) + 1) + "|"
    for row, cells in zip(engines.ROWS, zip(*columns, strict=True), strict=True):
        yield f"| {row} | {' | '.join(cells)} |"
    yield f"\nA C loop that only sends ready frames to 500 sockets: {ceiling(seconds)}.\n"


def product_table(seconds: float, idle: int) -> Iterator[str]:
    """Measure the product."""
    yield "| the product on MariaDB | a second as seen / for each second of processor time |"
    yield "|---|---|"
    with tempfile.TemporaryDirectory() as folder:
        one = product.Product(Path(folder))
        try:
            for name, cell in one.rows(seconds, idle):
                yield f"| {name} | {cell} |"
        finally:
            one.mariadb.stop()


def main() -> None:
    """Print the tables and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--parts", default="engines,product")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines = [f"# The realtime engine, {datetime.now(UTC).date().isoformat()}\n"]
    node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    lines.append(f"Command: `.venv/bin/python -m bench.realtime --seconds {given.seconds:g} --idle {given.idle}`.")
    lines.append(f"Machine: {machine()}; Node {node}. Load average before: {os.getloadavg()[0]:.1f}.\n")
    for part in given.parts.split(","):
        for line in {"engines": engine_table, "product": product_table}[part](given.seconds, given.idle):
            print(line, flush=True)
            lines.append(line)
    out = given.out or ROOT / "bench" / "results" / f"{datetime.now(UTC).date().isoformat()}-realtime.md"
    out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
