"""The decorator that declares Socket.IO commands, and the one place that turns their failures into acks.

    @command("mark_read", MarkRead, ReadOut, queued=True)
    def mark_read(connection, payload, done): ...

The AsyncAPI document is generated from the same declarations.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from imapp.cluster import limits
from imapp.database import errors
from imapp.errors import (
    AppError,
    BinaryNotAllowedError,
    BusyError,
    MalformedError,
    MessageTooLargeError,
    RateLimitedError,
    UnavailableError,
    UnknownCommandError,
)
from imapp.logs import get_logger
from imapp.realtime.connections import Connection
from imapp.schemas.base import In, Out
from imapp.schemas.validation import parse
from imapp.telemetry import metrics, tracing
from imapp.telemetry.counters import Histogram

log = get_logger(__name__)

#: Sends the ack; called once for each command.
Reply = Callable[[dict[str, Any]], None]


class NoPayload(In):
    """An empty object."""


@dataclass(frozen=True)
class Command:
    """One command: the schema of its payload, the schema of its ack besides `ok`, and its handler.

    A queued handler takes a third argument, a callback for the outcome after the commit. It does not block.
    """

    name: str
    takes: type[In]
    gives: type[Out] | None
    handler: Callable[..., Any]
    is_queued: bool


COMMANDS: dict[str, Command] = {}

#: The command that this greenlet runs: its connection and the name that the client gave.
_running: ContextVar[tuple[Connection, Any] | None] = ContextVar("command", default=None)

#: The label of unknown commands in metrics.
_UNKNOWN = "unknown"

#: Outcomes that metrics show at 0 from the start, so that the first one is an increase; others appear when they occur.
_OUTCOMES = ("ok", *(error.code for error in (AppError, BusyError, RateLimitedError, UnavailableError)))


#: The counters of each command: its outcomes, and its duration in seconds.
_TALLIES: dict[str, tuple[dict[str, int], Histogram]] = {}


def _show(name: str, *outcomes: str) -> None:
    _TALLIES[name] = (metrics.COMMANDS.of(name), metrics.COMMAND_SECONDS.of(name))
    for outcome in outcomes:
        metrics.COMMANDS.add(name, outcome, count=0)


_show(
    _UNKNOWN,
    *(kind.code for kind in (UnknownCommandError, BinaryNotAllowedError, MalformedError, MessageTooLargeError)),
)


def command(
    name: str, takes: type[In] = NoPayload, gives: type[Out] | None = None, *, queued: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the handler of a command."""

    def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
        COMMANDS[name] = Command(name, takes, gives, handler, queued)
        _show(name, *_OUTCOMES)
        return handler

    return declare


def dispatch(connection: Connection, name: Any, args: list[Any], reply: Reply) -> None:
    """Check, run and answer one command. Commands of one connection take effect in the order of their arrival."""
    began = time.perf_counter()
    is_traced = tracing.is_on()
    if is_traced:
        reply = tracing.traced(name if isinstance(name, str) and name in COMMANDS else _UNKNOWN, reply)
    with connection.turn:
        _running.set((connection, name))
        try:
            found, payload = _read(connection, name, args)
            if found.is_queued:
                _queue(connection, found, payload, reply, began)
            else:
                connection.wait_for_queued()
                _tell(name, began, reply, _answer(found.handler(connection, payload)))
        except Exception as exc:  # noqa: BLE001 - the one place where failures become acks
            _tell(name, began, reply, failure(exc))
        _running.set(None)
    if is_traced:
        tracing.leave()


def _tell(name: Any, began: float, reply: Reply, ack: dict[str, Any]) -> None:
    """Send the ack and count the command, by declared names and codes only: labels must be bounded.

    Not by a closure around `reply`: its cells live until the commit, and the garbage collector would scan each batch.
    """
    reply(ack)
    outcomes, seconds = _TALLIES.get(name if isinstance(name, str) else _UNKNOWN, _TALLIES[_UNKNOWN])
    seconds.observe(time.perf_counter() - began)
    outcomes["ok" if ack["ok"] else ack["error"]["code"]] += 1


def refuse(name: Any, error: AppError, reply: Reply) -> None:
    """Refuse a command without reading it."""
    _tell(name, time.perf_counter(), reply, failure(error))


def command_at_hand() -> dict[str, Any]:
    """Return the log fields of the command that this greenlet runs; empty if it runs none."""
    running = _running.get()
    if running is None:
        return {}
    traceparent = tracing.current()
    trace_id = traceparent.split("-")[1] if traceparent else None
    return {**_known(*running), "trace_id": trace_id}


def _known(connection: Connection, name: Any) -> dict[str, Any]:
    return {"user_id": connection.user_id, "sid": connection.sid, "command": name}


def _read(connection: Connection, name: Any, args: list[Any]) -> tuple[Command, In]:
    limits.hit("commands_per_user", connection.user_id)
    found = COMMANDS.get(name) if isinstance(name, str) else None
    if found is None:
        raise UnknownCommandError
    if len(args) > 1:
        raise MalformedError("A command takes one object.")
    return found, parse(found.takes, args[0] if args and args[0] is not None else {})


def _queue(connection: Connection, found: Command, payload: In, reply: Reply, began: float) -> None:
    name = found.name

    def done(outcome: dict[str, Any] | AppError) -> None:
        # The committer calls this from its own greenlet, where `command_at_hand` finds no command: pass the fields.
        ack = failure(outcome, **_known(connection, name)) if isinstance(outcome, AppError) else {"ok": True, **outcome}
        _tell(name, began, reply, ack)
        connection.answered()

    connection.queue()
    try:
        found.handler(connection, payload, done)
    except Exception as exc:  # noqa: BLE001 - as in `dispatch`
        connection.unqueue()
        _tell(name, began, reply, failure(exc))


def _answer(result: Out | dict[str, Any] | None) -> dict[str, Any]:
    if isinstance(result, Out):
        result = result.wire()
    return {"ok": True, **(result or {})}


def failure(exc: Exception, **known: Any) -> dict[str, Any]:
    """Return the ack of a failed command. Any exception that is no AppError is a bug: it is logged, and not shown."""
    error = exc if isinstance(exc, AppError) else errors.as_app_error(exc)
    if error is None:
        log.error("command_failed", exc_info=exc, **known)
        error = AppError()
    else:
        log.debug("command_refused", code=error.code, **known)
    return {"ok": False, "error": error.payload()}
