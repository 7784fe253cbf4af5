"""The decorator that declares Socket.IO commands, and the one place that turns their failures into acks.

    @command("react", React, MessageResult)
    def react(connection, payload): ...

    @queued_command("mark_read", MarkRead, ReadOut)
    def mark_read(connection, payload, done): ...

The AsyncAPI document is generated from the same declarations.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

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
from imapp.schemas.base import In, JsonObject, Out
from imapp.schemas.validation import parse
from imapp.services.write_path.committer import Done
from imapp.telemetry import metrics, tracing
from imapp.telemetry.counters import Histogram

log = get_logger(__name__)

InT = TypeVar("InT", bound=In)
OutT = TypeVar("OutT", bound=Out)
ResultT = TypeVar("ResultT", bound=Out | JsonObject | None)

#: Sends the ack; called once for each command.
Reply = Callable[[JsonObject], None]

#: Runs a command, and returns the fields of the ack besides `ok`.
Handler = Callable[[Connection, InT], ResultT]

#: Puts a command into the committer's queue without blocking. The committer calls the third argument with the outcome.
QueuedHandler = Callable[[Connection, InT, Done], None]


class NoPayload(In):
    """An empty object."""


@dataclass(frozen=True)
class Command(Generic[InT]):
    """One command: the schema of its payload, the schema of its ack besides `ok`, and its handler."""

    name: str
    takes: type[InT]
    gives: type[Out] | None
    handler: Handler[InT, Out | JsonObject | None]

    def run(self, connection: Connection, payload: InT, reply: Reply, began: float) -> None:
        """Run the command after the queued ones of the connection, and answer it."""
        connection.wait_for_queued()
        result = self.handler(connection, payload)
        fields = result.wire() if isinstance(result, Out) else result or {}
        _answer(self.name, began, reply, {"ok": True, **fields})


@dataclass(frozen=True)
class QueuedCommand(Generic[InT]):
    """One command that is answered after the commit of its write: as `Command`, but with a queued handler."""

    name: str
    takes: type[InT]
    gives: type[Out]
    handler: QueuedHandler[InT]

    def run(self, connection: Connection, payload: InT, reply: Reply, began: float) -> None:
        """Queue the command; the committer answers it."""

        def done(outcome: JsonObject | AppError) -> None:
            # The committer calls this in its own greenlet, where `command_fields` finds no command: pass the fields.
            if isinstance(outcome, AppError):
                ack = failure(outcome, **_fields(connection, self.name))
            else:
                ack = {"ok": True, **outcome}
            _answer(self.name, began, reply, ack)
            connection.answered()

        connection.queue()
        try:
            self.handler(connection, payload, done)
        except Exception:
            connection.unqueue()
            raise


#: A command with any type of payload.
AnyCommand = Command[Any] | QueuedCommand[Any]

COMMANDS: dict[str, AnyCommand] = {}

#: The command that this greenlet runs: its connection and the name that the client gave.
_running: ContextVar[tuple[Connection, object] | None] = ContextVar("command", default=None)

#: The label of unknown commands in metrics.
_UNKNOWN = "unknown"

#: Outcomes that metrics show at 0 from the start, so that the first one is an increase; others appear when they occur.
_OUTCOMES = ("ok", *(error.code for error in (AppError, BusyError, RateLimitedError, UnavailableError)))


#: The counters of each command: its outcomes, and its duration in seconds.
_COUNTERS: dict[str, tuple[dict[str, int], Histogram]] = {}


def _add_counters(name: str, *outcomes: str) -> None:
    _COUNTERS[name] = (metrics.COMMANDS.of(name), metrics.COMMAND_SECONDS.of(name))
    for outcome in outcomes:
        metrics.COMMANDS.add(name, outcome, count=0)


_add_counters(
    _UNKNOWN,
    *(kind.code for kind in (UnknownCommandError, BinaryNotAllowedError, MalformedError, MessageTooLargeError)),
)


@overload
def command(name: str, takes: type[InT]) -> Callable[[Handler[InT, None]], Handler[InT, None]]: ...
@overload
def command(
    name: str, takes: type[InT], gives: type[OutT]
) -> Callable[[Handler[InT, OutT | JsonObject]], Handler[InT, OutT | JsonObject]]: ...
def command(
    name: str, takes: type[InT], gives: type[Out] | None = None
) -> Callable[[Handler[InT, ResultT]], Handler[InT, ResultT]]:
    """Declare the handler of a command. It returns an instance of `gives`, or the same as a JSON object."""

    def declare(handler: Handler[InT, ResultT]) -> Handler[InT, ResultT]:
        _add(Command(name, takes, gives, handler))
        return handler

    return declare


def queued_command(name: str, takes: type[InT], gives: type[Out]) -> Callable[[QueuedHandler[InT]], QueuedHandler[InT]]:
    """Declare the handler of a command that is answered after the commit."""

    def declare(handler: QueuedHandler[InT]) -> QueuedHandler[InT]:
        _add(QueuedCommand(name, takes, gives, handler))
        return handler

    return declare


def _add(declared: AnyCommand) -> None:
    COMMANDS[declared.name] = declared
    _add_counters(declared.name, *_OUTCOMES)


def dispatch(connection: Connection, name: object, args: list[object], reply: Reply) -> None:
    """Check, run and answer one command. Commands of one connection take effect in the order of their arrival."""
    began = time.perf_counter()
    is_traced = tracing.is_on()
    if is_traced:
        reply = tracing.traced(name if isinstance(name, str) and name in COMMANDS else _UNKNOWN, reply)
    with connection.turn:
        _running.set((connection, name))
        try:
            limits.hit("commands_per_user", connection.user_id)
            found = COMMANDS.get(name) if isinstance(name, str) else None
            if found is None:
                raise UnknownCommandError
            if len(args) > 1:
                raise MalformedError("A command takes one object.")
            payload = parse(found.takes, args[0] if args and args[0] is not None else {})
            found.run(connection, payload, reply, began)
        except Exception as exc:  # noqa: BLE001 - the one place where failures become acks
            _answer(name, began, reply, failure(exc))
        _running.set(None)
    if is_traced:
        tracing.leave()


def _answer(name: object, began: float, reply: Reply, ack: JsonObject) -> None:
    """Send the ack and count the command, by declared names and codes only: labels must be bounded.

    Not by a closure around `reply`: its cells live until the commit, and the garbage collector would scan each batch.
    """
    reply(ack)
    outcomes, seconds = _COUNTERS.get(name if isinstance(name, str) else _UNKNOWN, _COUNTERS[_UNKNOWN])
    seconds.observe(time.perf_counter() - began)
    outcomes["ok" if ack["ok"] else ack["error"]["code"]] += 1


def refuse(name: object, error: AppError, reply: Reply) -> None:
    """Refuse a command without reading it."""
    _answer(name, time.perf_counter(), reply, failure(error))


def command_fields() -> dict[str, object]:
    """Return the log fields of the command that this greenlet runs; empty if it runs none."""
    running = _running.get()
    if running is None:
        return {}
    traceparent = tracing.current()
    trace_id = traceparent.split("-")[1] if traceparent else None
    return {**_fields(*running), "trace_id": trace_id}


def _fields(connection: Connection, name: object) -> dict[str, object]:
    return {"user_id": connection.user_id, "sid": connection.sid, "command": name}


def failure(exc: Exception, **known: object) -> JsonObject:
    """Return the ack of a failed command. Any exception that is no AppError is a bug: it is logged, and not shown."""
    error = exc if isinstance(exc, AppError) else errors.as_app_error(exc)
    if error is None:
        log.error("command_failed", exc_info=exc, **known)
        error = AppError()
    else:
        log.debug("command_refused", code=error.code, **known)
    return {"ok": False, "error": error.payload()}
