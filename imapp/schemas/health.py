"""Health of a node."""

from typing import Literal

from pydantic import JsonValue

from imapp.schemas.base import Out

Status = Literal["UP", "DOWN"]


class ComponentHealth(Out):
    """One thing that the node needs."""

    status: Status
    details: dict[str, JsonValue] = {}


class HealthOut(Out):
    """UP when all components are."""

    status: Status
    components: dict[str, ComponentHealth] = {}
