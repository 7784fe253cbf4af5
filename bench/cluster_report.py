"""The result file of bench/cluster.py."""

import statistics
from collections.abc import Iterable
from importlib.metadata import version

from bench.durable_sends import machine

_TEXT = """# The cluster beside stock Flask-SocketIO with its Redis queue, {day}

Command: `.venv/bin/python -m bench.cluster --rounds {rounds} --seconds {seconds:.0f}`. Private messages between
users of different nodes. Ours checks rights and repeats, numbers each message,
commits it to MariaDB with default durability, acknowledges, then delivers; stock stores nothing. The two take turns;
figures are medians of all rounds, all rounds in brackets. Nothing is pinned: nodes, Redis, MariaDB and the load client
share the cores.

Machine: {machine}; {packages}.
A bare insert and commit of one row by one connection, right afterwards: {commit_ms:.2f} ms.
Other work used {others} of the machine during the rounds.

## A node without a receiver of the message

Three nodes, 500 messages/s between users of nodes 1 and 2, one idle client at node 3. CPU of node 3's worker minus its
use in a quiet interval of the same length (nanoseconds of the scheduler). Target: at most 5.

| | microseconds per message of others | idle, milliseconds of CPU per second |
|---|---|---|
{uninvolved}

## From send to receipt, 500 messages/s between two nodes

Milliseconds from the time at which a message was due. Target: no worse than stock.

| | p50 | p90 | p99 | ack p50 | ack p99 | CPU of nodes 1 and 2, Redis, MariaDB, microseconds per message | errors |
|---|---|---|---|---|---|---|---|
{latency}

## One, two, three, four nodes

Closed loop: 200 users over all nodes with 4 messages in flight each, each message to a user of the next node. The
throughput is bound by the two cores that run everything; so compare the microseconds of CPU per message, minus the use
without messages. "Carries" is the rate of the nodes' workers with a core for each: nodes x 1,000,000 /
microseconds in all nodes.

| nodes | | acks/s | deliveries/s | in all nodes | Redis | MariaDB | carries, messages/s | against one node less |
|---|---|---|---|---|---|---|---|---|
{grown}

## Rolling restart of three nodes

300 messages/s from 120 users to 120 others; a client without a connection goes to another node at once, calls `sync`
and repeats unacknowledged sends. The nodes are restarted as by scripts/restart-cluster.sh: SIGTERM, drain, start,
wait for readiness, next node. Pace: clients per second for each other node (IM_RECONNECTS_PER_SECOND). The three
times are the longest of any client. Without a node: from the end of a connection until another node accepts the
client. Silence: between two received messages, which are sent about 400 ms apart.
Target: 0 lost, doubled, reordered.

| pace | acknowledged | lost | doubled | reordered | without a node | silence | send to receipt | stop / start |
|---|---|---|---|---|---|---|---|---|
{restarts}
"""


def write(day: str, measured: dict, rounds: int, seconds: float) -> str:
    """Return the text of the result file."""
    results = [result for _, result in measured["between"]] + [result for *_, result in measured["grown"]]
    packages = ", ".join(f"{name} {version(name)}" for name in ("Flask-SocketIO", "redis", "hiredis"))
    return _TEXT.format(
        day=day, rounds=rounds, seconds=seconds, machine=machine(), packages=packages,
        commit_ms=measured["commit_ms"], others=_of((100 * one["others"] for one in results), "{:.0f} %", listed=False),
        uninvolved="\n".join(_uninvolved(kind, measured["between"]) for kind in ("ours", "stock")),
        latency="\n".join(_latency(kind, measured["between"]) for kind in ("ours", "stock")),
        grown="\n".join(_grown(measured["grown"])),
        restarts="\n".join(_restart(pace, one) for pace, one in measured["restarts"]),
    )  # fmt: skip


def _of(values: Iterable[float], form: str = "{:.1f}", *, listed: bool = True) -> str:
    """Return the median, and all values in brackets."""
    values = list(values)
    median = form.format(statistics.median(values))
    return f"**{median}** ({', '.join(form.format(value) for value in values)})" if listed else median


def _uninvolved(kind: str, between: list[tuple[str, dict]]) -> str:
    runs = [result for one, result in between if one == kind]
    last = len(runs[0]["quiet"]) - 3  # the nodes stand before Redis and MariaDB
    idle = _of((1000 * run["quiet"][last] / run["counted"] for run in runs), listed=False)
    return f"| {kind} | {_of(run['us'][last] for run in runs)} | {idle} |"


def _latency(kind: str, between: list[tuple[str, dict]]) -> str:
    runs = [result for one, result in between if one == kind]
    cells = [_of(run["deliveries"][p] for run in runs) for p in ("p50", "p90", "p99")]
    cells += [_of((run["acks"][p] for run in runs), listed=False) for p in ("p50", "p99")]
    cpu = [sum(run["us"][:2]) for run in runs], [run["us"][-2] for run in runs], [run["us"][-1] for run in runs]
    cells.append(", ".join(_of(part, "{:.0f}", listed=False) for part in cpu))
    return f"| {kind} | {' | '.join(cells)} | {sum(run['errors'] for run in runs)} |"


def _grown(grown: list[tuple[str, int, dict]]) -> Iterable[str]:
    for kind in ("ours", "stock"):
        before = 0.0
        for count in sorted({count for _, count, _ in grown}):
            runs = [result for one, nodes, result in grown if (one, nodes) == (kind, count)]
            nodes, redis, mariadb = (
                statistics.median(sum(run["us"][part]) for run in runs)
                for part in (slice(0, -2), slice(-2, -1), slice(-1, None))
            )
            carries = count * 1e6 / nodes
            gain = f"{carries / before:.2f}" if before else ""
            through = [statistics.median(run[what]["per_second"] for run in runs) for what in ("acks", "deliveries")]
            rates = " | ".join(f"{rate:,.0f}" for rate in through)
            costs = f"**{nodes:,.0f}** | {redis:.0f} | {mariadb:.0f}"
            yield f"| {count} | {kind} | {rates} | {costs} | {carries:,.0f} | {gain} |"
            before = carries


def _restart(pace: str, one: dict) -> str:
    longest = [f"{one['longest_ms'][what]:,} ms" for what in ("outage", "silence", "delay")]
    steps = ", ".join(f"{stop} / {start} s" for stop, start in one["restart_seconds"])
    losses = " | ".join(str(one[what]) for what in ("lost", "doubled", "reordered"))
    return f"| {pace} | {one['acked']:,} of {one['sent']:,} | {losses} | {' | '.join(longest)} | {steps} |"
