"""What a check has found, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["OK", "WARN", "FAIL", "SKIP"]


@dataclass(frozen=True)
class Finding:
    """`text`: what is; `cure`: what to do, a sentence; `command`: what to type for it."""

    status: Status
    text: str
    cure: str = ""
    command: str = ""


def ok(text: str) -> Finding:
    """All is well."""
    return Finding("OK", text)


def skip(reason: str) -> Finding:
    """There is nothing to look at: this is not configured."""
    return Finding("SKIP", reason)


def warn(text: str, cure: str, command: str = "") -> Finding:
    """It works; it will not always, or not for all."""
    return Finding("WARN", text, cure, command)


def fail(text: str, cure: str, command: str = "") -> Finding:
    """It does not work, or is not safe."""
    return Finding("FAIL", text, cure, command)
