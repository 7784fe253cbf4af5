"""OpenTelemetry's traces, with IM_TRACING=on: one from a command at the sender's node to the sockets of the receivers'.

Below the span of the command lie those of its message: commit, publish, and on each node deliver. They are made when
they are over, from the times that metrics take anyway; the command's traceparent (W3C Trace Context) travels in the
message's stamp. The SDK reads the OTEL_ variables; nothing of it is imported while tracing is off.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_provider: Any = None
_tracer: Any = None


def start(node_id: str, version: str) -> None:
    """Begin; in the process that serves. Raises ModuleNotFoundError without the packages."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    global _provider, _tracer  # noqa: PLW0603 - one for the process
    named = {"service.name": "imapp", "service.instance.id": node_id, "service.version": version}
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
    _provider = TracerProvider(resource=Resource(named).merge(OTELResourceDetector().detect()))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("imapp")


def stop() -> None:
    """Send what waits."""
    if _provider is not None:
        _provider.shutdown()


def is_on() -> bool:
    """Whether anything is traced."""
    return _tracer is not None


def current() -> str | None:
    """The traceparent of the command at hand."""
    return _current.get() if _tracer is not None else None


def traced(name: str, reply: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Begin the span of a command; it ends with its answer."""
    from opentelemetry.trace import SpanKind, Status, StatusCode

    span = _tracer.start_span(name, kind=SpanKind.SERVER)
    context = span.get_span_context()
    _current.set(f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}")

    def answer(ack: dict[str, Any]) -> None:
        reply(ack)
        if not ack["ok"]:
            span.set_status(Status(StatusCode.ERROR, ack["error"]["code"]))
        span.end()

    return answer


def leave() -> None:
    """The greenlet goes on with something else."""
    _current.set(None)


def record(name: str, traceparent: str | None, began_ms: float, ended_ms: float, **attributes: str | int) -> None:
    """A span that is over, below the command's; times are Unix times in ms."""
    if traceparent is None or _tracer is None:
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    span = _tracer.start_span(name, context=parent, start_time=int(began_ms * 1e6), attributes=attributes)
    span.end(end_time=int(ended_ms * 1e6))
