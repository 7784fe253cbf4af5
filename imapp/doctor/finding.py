"""The result of a check, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["OK", "WARN", "FAIL", "SKIP"]


@dataclass(frozen=True)
class Finding:
    """A result. `text`: the state that was found. `cure`: advice. `command`: a command or setting for the advice."""

    status: Status
    text: str
    cure: str = ""
    command: str = ""


def ok(text: str) -> Finding:
    """Return the finding of a check that passed."""
    return Finding("OK", text)


def skip(reason: str) -> Finding:
    """Return the finding of a check that does not apply, because its subject is not configured."""
    return Finding("SKIP", reason)


def warn(text: str, cure: str, command: str = "") -> Finding:
    """Return the finding of a problem that affects only some clients, or only some situations."""
    return Finding("WARN", text, cure, command)


def fail(text: str, cure: str, command: str = "") -> Finding:
    """Return the finding of a failure, or of an unsafe configuration."""
    return Finding("FAIL", text, cure, command)
