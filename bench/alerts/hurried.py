"""The rules of deploy/monitoring with shorter times, so that a drill takes minutes and not a day."""

import re
from typing import Any

import yaml

from tests.support.monitoring import MONITORING

#: Seconds instead of those of the rules. What counts events looks back longer than what has to last.
_FOR = "2s"
_RANGES = {"5m": "20s", "10m": "60s", "15m": "90s"}
_OFFSETS = {"10m": "60s", "1d": "90s"}

#: Some thresholds are more than this machine can do for long.
_THRESHOLDS = {
    "ImappDatabaseConflicts": ("> 5", "> 0.05"),
    "ImappGreenletsMany": ("+ 1000", "+ 100"),
}


def hurry(expression: str) -> str:
    """The same expression over shorter times."""
    expression = re.sub(r"\[(\d+m)\]", lambda found: f"[{_RANGES[found[1]]}]", expression)
    return re.sub(r"offset (\w+)", lambda found: f"offset {_OFFSETS[found[1]]}", expression)


def rules() -> dict[str, Any]:
    """All groups of all files, hurried."""
    files = [yaml.safe_load(file.read_text()) for file in sorted((MONITORING / "rules").glob("*.yaml"))]
    groups = [group for file in files for group in file["groups"]]
    for group in groups:
        group.pop("interval", None)
        group["rules"] = [_hurried(rule) for rule in group["rules"]]
    return {"groups": groups}


def _hurried(rule: dict[str, Any]) -> dict[str, Any]:
    expression = hurry(rule["expr"])
    if (name := rule.get("alert")) in _THRESHOLDS:
        before, after = _THRESHOLDS[name]
        assert before in expression, name
        expression = expression.replace(before, after)
    return {**rule, "expr": expression, **({"for": _FOR} if "for" in rule else {})}
