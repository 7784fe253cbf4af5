"""The output for the operator: progress during the test, and tables at the end."""

from io import StringIO
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from imapp.load.json import JsonObject

_COLUMNS = ("phase", "connected", "asked/s", "sent/s", "acks/s", "deliveries/s", "errors")
_TIMES = ("ack p50", "p99", "max", "delivery p50", "p99", "max ms", "client")

#: Seconds between two progress lines if the output is not a terminal.
_LINE_SECONDS = 10


class Screen:
    """The progress: redrawn each second on a terminal, otherwise a line every _LINE_SECONDS seconds."""

    def __init__(self, connections: int) -> None:
        self._console = Console(stderr=True, markup=False, highlight=False)
        self._connections = connections
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._errors = self._rows = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, row: JsonObject) -> None:
        """Show the row of a second."""
        self._errors += row["errors"]
        self._rows += 1
        if self._console.is_terminal:
            self._live.update(self._table(row), refresh=True)
        elif self._rows % _LINE_SECONDS == 1:
            names = ("phase", "connected", "asked", "acks", "deliveries", "ack_p99", "delivery_p99")
            words = " ".join(f"{name}={row[name]}" for name in names)
            self._console.print(f"{row['at']:.0f} s: {words} errors={self._errors}", soft_wrap=True)

    def _table(self, row: JsonObject) -> Table:
        table = Table(*_COLUMNS, *_TIMES, box=None, pad_edge=False)
        times = [row[f"{kind}_{part}"] for kind in ("ack", "delivery") for part in ("p50", "p99", "max")]
        rates = [f"{row[name]:.0f}" for name in ("asked", "sent", "acks", "deliveries")]
        connected = f"{row['connected']}/{self._connections}"
        client = f"{row['client_cpu']:.0%}"
        table.add_row(row["phase"], connected, *rates, str(self._errors), *map(_ms, times), client)
        return table


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def text(report: JsonObject) -> str:
    """Return the report for a terminal."""
    written = StringIO()
    console = Console(file=written, markup=False, highlight=False, width=160, color_system=None)
    titles = ("messages/s", "acks/s", "deliveries/s", *_TIMES[:-1], "client", "verdict")
    table = Table(*titles, box=None, pad_edge=False)
    for step in report["steps"]:
        times = [step[kind][part] for kind in ("ack", "delivery") for part in ("p50", "p99", "max")]
        rates = [f"{step[name]:g}" for name in ("rate", "acks_per_second", "deliveries_per_second")]
        table.add_row(*rates, *map(_ms, times), f"{step['client_cpu']:.0%}", step["verdict"])
    connect = report["connect"]
    if report["steps"]:
        console.print(table)
    console.print(f"connections: {connect['count']}, connect p50 {_ms(connect['p50'])} p99 {_ms(connect['p99'])} ms")
    console.print("messages: " + ", ".join(f"{name} {value}" for name, value in report["counts"].items()))
    console.print("errors: " + (", ".join(f"{code} {count}" for code, count in report["errors"].items()) or "none"))
    for url, rows in report["nodes"].get("rows", {}).items():
        cpu = [row["cpu"] for row in rows if row["cpu"] is not None]
        if cpu:
            console.print(f"{url}: CPU up to {max(cpu):.0%} of a core, memory {rows[-1]['memory_mib']:.0f} MiB")
    for kind in ("notes", "problems"):
        for line in report[kind]:
            console.print(f"{kind[:-1]}: {line}")
    console.print(report["conclusion"])
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())
