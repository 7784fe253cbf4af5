"""Health of a node."""

from typing import Literal, Self

from pydantic import JsonValue

from imapp.schemas.base import Moment, Out

Status = Literal["UP", "DOWN"]


class ComponentHealth(Out):
    """The health of one component that the node needs."""

    status: Status
    details: dict[str, JsonValue] = {}


class HealthOut(Out):
    """UP when all components are. Details are for operators."""

    status: Status
    components: dict[str, ComponentHealth] = {}

    def bare(self) -> Self:
        """Return a copy without details."""
        shown = {name: ComponentHealth(status=component.status) for name, component in self.components.items()}
        return self.model_copy(update={"components": shown})


class InfoOut(Out):
    """Facts about the process. Only operators get the fields that can be null; `commit` may also be unknown."""

    version: str
    commit: str | None = None
    node: str | None = None
    started_at: Moment | None = None
    uptime_seconds: float | None = None
    python: str | None = None
    transport: str | None = None
