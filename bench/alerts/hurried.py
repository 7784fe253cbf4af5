"""The rules of deploy/monitoring with shorter times, so that a drill takes minutes and not a day."""

import re
from typing import Any

import yaml

from tests.support.monitoring import MONITORING

#: Seconds that replace those of the rules. Ranges that count events are longer than the `for` of a state.
_FOR = "2s"
_RANGES = {"5m": "20s", "10m": "60s", "15m": "90s"}
_OFFSETS = {"10m": "60s", "1d": "90s"}

#: Lower thresholds where this machine cannot sustain the original one.
_THRESHOLDS = {
    "ImappDatabaseConflicts": ("> 5", "> 0.05"),
    "ImappGreenletsMany": ("+ 1000", "+ 100"),
}


def hurry(expression: str) -> str:
    """Return the same expression over shorter time ranges."""
    expression = re.sub(r"\[(\d+m)\]", lambda found: f"[{_RANGES[found[1]]}]", expression)
    return re.sub(r"offset (\w+)", lambda found: f"offset {_OFFSETS[found[1]]}", expression)


def rules() -> dict[str, Any]:
    """Return all groups of all files with shorter times."""
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
