"""What deploy/monitoring asks Prometheus for: its rules, and the names of metrics in an expression."""

import json
import re
from typing import Any

import yaml

from tests.support.monitoring import MONITORING

#: What the nodes do not measure yet, while their parts are being built.
PENDING: set[str] = set()


def rules() -> list[dict[str, Any]]:
    """All rules, alerts and records, of all files."""
    files = [yaml.safe_load(file.read_text()) for file in sorted((MONITORING / "rules").glob("*.yaml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """All alerts."""
    return [rule for rule in rules() if "alert" in rule]


def records() -> dict[str, str]:
    """The recorded figures: name to expression."""
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def metrics_in(expression: str) -> set[str]:
    """The metrics that are named in it, recorded ones replaced by what they are computed of."""
    names = set(re.findall(r"[a-z_:][\w:]*", re.sub(r'"[^"]*"', "", expression)))
    recorded = {name for name in names if ":" in name}
    plain = {name for name in names if re.match(r"(imapp|redis|mysql)_\w+$", name)}
    return plain.union(*(metrics_in(records()[name]) for name in recorded))


def panels() -> list[tuple[str, str, str]]:
    """Of all dashboards: dashboard, panel, and each expression as a Prometheus without Grafana takes it."""
    found = []
    for file in sorted((MONITORING / "grafana/dashboards").glob("*.json")):
        board = json.loads(file.read_text())
        for panel in board["panels"]:
            found += [(file.stem, panel["title"], plain(target["expr"])) for target in panel.get("targets", [])]
        found += [(file.stem, one["name"], plain(one["expr"])) for one in board["annotations"]["list"]]
    return found


def plain(expression: str) -> str:
    """The expression with what Grafana would fill in."""
    return expression.replace("$node", ".*").replace("$__rate_interval", "1m")
