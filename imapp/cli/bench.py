"""`flask im bench`: a load test of a running server, over the network."""

from pathlib import Path
from typing import Any

import click

#: Exit codes: a guarantee was violated; the test's users could not connect. 2 is wrong use.
_GUARANTEE_VIOLATED, _NOT_CONNECTED = 1, 3

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--url", "urls", multiple=True, required=True, help="The server's address; may be repeated.")
@click.option("--users-file", "--token-file", type=_FILE, required=True, help="File of users, as from load-fixture.")
@click.option("--register", is_flag=True, help="Create the users through REST (slow) and write them to the file.")
@click.option("--connections", type=click.IntRange(2, 100_000), default=100, show_default=True,
              help="Number of connections.")  # fmt: skip
@click.option("--connect-rate", type=click.FloatRange(0.1, 10_000), default=50, show_default=True,
              help="New connections per second.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(0.1, 100_000), default=100, show_default=True,
              help="Messages per second.")  # fmt: skip
@click.option("--groups", type=click.IntRange(0, 100_000), default=0,
              help="Number of groups: those of the file first, further ones are created.")  # fmt: skip
@click.option("--group-size", type=click.IntRange(2, 10_000), default=10, show_default=True,
              help="Members of each group that is created.")  # fmt: skip
@click.option("--group-share", type=click.FloatRange(0, 1), default=0.2, show_default=True,
              help="Share of the messages that go to groups.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.5, 86_400), default=30, show_default=True,
              help="Duration of each step.")  # fmt: skip
@click.option("--warm-up", type=click.FloatRange(0, 3600), default=5, show_default=True,
              help="Seconds before the first step that are not measured.")  # fmt: skip
@click.option("--text-bytes", type=click.IntRange(1, 4000), default=40, show_default=True,
              help="Length of each message's text.")  # fmt: skip
@click.option("--ramp", is_flag=True, help="Raise the rate step by step until a bound is exceeded.")
@click.option("--ramp-factor", type=click.FloatRange(1.01, 10), default=1.25, show_default=True,
              help="Factor between the rates of two steps.")  # fmt: skip
@click.option("--p99-bound", "p99_bound_ms", type=float, default=500, show_default=True,
              help="Maximum p99 latency in milliseconds.")  # fmt: skip
@click.option("--error-bound", type=click.FloatRange(0, 1), default=0.01, show_default=True,
              help="Maximum share of messages that may fail.")  # fmt: skip
@click.option("--patience", type=click.FloatRange(0.1, 600), default=10, show_default=True,
              help="Seconds to wait for outstanding messages after each step.")  # fmt: skip
@click.option("--nodes", multiple=True,
              help="Address of a node to read /actuator/prometheus from; repeat it for several nodes.")  # fmt: skip
@click.option("--ca", type=_FILE, help="Certificate of a certificate authority that the system does not know.")
@click.option("--report", "html", type=_FILE, help="Write the report as one HTML file with plots.")
@click.option("--json", "json_file", type=_FILE, help="Write the report as JSON.")
@click.pass_context
def bench(ctx: click.Context, /, html: Path | None, json_file: Path | None, **values: Any) -> None:
    """Load a running server and check that every acknowledged message reaches its receivers.

    Exit codes: 0 passed; 1 messages lost, doubled, out of order or unanswered, or too many refused; 2 wrong use;
    3 the users could not connect.
    """
    # Not imported at the top: the server loads this module, too, but does not need the client.
    from imapp.load import main
    from imapp.load.errors import LoadError, MisuseError

    try:
        report = main.run(main.Options(**values), html, json_file, tell=lambda line: click.echo(line, err=True))
    except MisuseError as exc:
        raise click.UsageError(str(exc)) from exc
    except LoadError as exc:
        click.echo(f"Error: {exc}", err=True)
        ctx.exit(_NOT_CONNECTED)
    click.echo(main.text(report))
    if report["trouble"]:
        click.echo(f"Error: {report['trouble']}", err=True)
        ctx.exit(_NOT_CONNECTED)
    ctx.exit(_GUARANTEE_VIOLATED if report["problems"] else 0)
