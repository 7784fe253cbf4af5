"""The rules and queries of deploy/monitoring, and the names of the metrics in an expression."""

import json
import re
from typing import Any

import yaml

from tests.support.monitoring import MONITORING

#: Metrics that rules may name before the nodes measure them, while that part is being developed.
PENDING: set[str] = set()


def rules() -> list[dict[str, Any]]:
    """Return all rules, alerts and recorded metrics, of all files."""
    files = [yaml.safe_load(file.read_text()) for file in sorted((MONITORING / "rules").glob("*.yaml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Return all alerts."""
    return [rule for rule in rules() if "alert" in rule]


def records() -> dict[str, str]:
    """Return the recorded metrics: name -> expression."""
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def metrics_in(expression: str) -> set[str]:
    """Return the metrics named in an expression; recorded ones are replaced by the metrics in their expressions."""
    names = set(re.findall(r"[a-z_:][\w:]*", re.sub(r'"[^"]*"', "", expression)))
    recorded = {name for name in names if ":" in name}
    plain = {name for name in names if re.match(r"(imapp|redis|mysql)_\w+$", name)}
    return plain.union(*(metrics_in(records()[name]) for name in recorded))


def panels() -> list[tuple[str, str, str]]:
    """Return (dashboard, panel, expression) for every query, with expressions for a Prometheus without Grafana."""
    found = []
    for file in sorted((MONITORING / "grafana/dashboards").glob("*.json")):
        board = json.loads(file.read_text())
        for panel in board["panels"]:
            found += [(file.stem, panel["title"], plain(target["expr"])) for target in panel.get("targets", [])]
        found += [(file.stem, one["name"], plain(one["expr"])) for one in board["annotations"]["list"]]
    return found


def plain(expression: str) -> str:
    """Return the expression with values for Grafana's variables."""
    return expression.replace("$node", ".*").replace("$__rate_interval", "1m")
