"""OpenTelemetry traces (IM_TRACING=on), from a command on the sender's node to the sockets on the recipients' nodes.

The span of the command has child spans for its message: commit, publish, and deliver on each node. They are created
when they have ended, from the times that the metrics take anyway. The command's traceparent (W3C Trace Context) travels
in the message's stamp. The SDK reads the OTEL_ variables; nothing of it is imported while tracing is off.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from imapp.schemas.base import JsonObject

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_provider: Any = None
_tracer: Any = None


def start(node_id: str, version: str) -> None:
    """Start tracing, in the serving process. Raises ModuleNotFoundError if the packages are not installed."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    global _provider, _tracer  # noqa: PLW0603 - one for the process
    named = {"service.name": "imapp", "service.instance.id": node_id, "service.version": version}
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence.
    _provider = TracerProvider(resource=Resource(named).merge(OTELResourceDetector().detect()))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("imapp")


def stop() -> None:
    """Export the pending spans and stop tracing."""
    if _provider is not None:
        _provider.shutdown()


def is_on() -> bool:
    """Return whether tracing is on."""
    return _tracer is not None


def current() -> str | None:
    """Return the traceparent of the current command, or None."""
    return _current.get() if _tracer is not None else None


def traced(name: str, reply: Callable[[JsonObject], None]) -> Callable[[JsonObject], None]:
    """Start the span of a command; return a `reply` that also ends the span."""
    from opentelemetry.trace import SpanKind, Status, StatusCode

    span = _tracer.start_span(name, kind=SpanKind.SERVER)
    context = span.get_span_context()
    _current.set(f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}")

    def answer(ack: JsonObject) -> None:
        reply(ack)
        if not ack["ok"]:
            span.set_status(Status(StatusCode.ERROR, ack["error"]["code"]))
        span.end()

    return answer


def leave() -> None:
    """Forget the current command: the greenlet continues with other work."""
    _current.set(None)


def record(name: str, traceparent: str | None, began_ms: float, ended_ms: float, **attributes: str | int) -> None:
    """Record a span that has ended, as a child of the command's; times are Unix times in ms."""
    if traceparent is None or _tracer is None:
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    span = _tracer.start_span(name, context=parent, start_time=int(began_ms * 1e6), attributes=attributes)
    span.end(end_time=int(ended_ms * 1e6))
