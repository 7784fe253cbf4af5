#!/usr/bin/env python3
"""Generate the dashboards of Grafana (dashboards/*.json) from panels/*.yaml.

Usage: deploy/monitoring/grafana/generate.py [FOLDER]

FOLDER is the output folder, by default dashboards/ beside this script. Needs PyYAML. A dashboard has `uid`, `title`,
`nodes` (whether it offers a choice of nodes) and `rows`; a row has `title` and `panels`; a panel has `title`, `type`
(stat or timeseries), `unit`, `queries` (legend to expression), and optionally `width` (of 24) and `limit` (a red line).
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
SIZES = {"stat": (4, 4), "timeseries": (8, 8)}

OPTIONS = {
    "stat": {
        "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "timeseries": {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
}  # fmt: skip


def variables(*, nodes: bool) -> list[dict[str, Any]]:
    """Return the selectors above the panels: the Prometheus and, on some dashboards, the nodes."""
    prometheus = {
        "name": "datasource", "type": "datasource", "label": "Prometheus", "query": "prometheus", "hide": 0,
        "includeAll": False, "multi": False, "refresh": 1, "regex": "", "options": [], "current": {},
    }  # fmt: skip
    query = 'label_values(up{job="imapp"}, instance)'
    node = {
        "name": "node", "type": "query", "label": "Node 节点", "datasource": DATASOURCE, "definition": query,
        "query": {"query": query, "refId": "node"}, "hide": 0, "includeAll": True, "allValue": ".*", "multi": True,
        "refresh": 2, "regex": "", "sort": 1, "options": [], "current": {"text": ["All"], "value": ["$__all"]},
    }  # fmt: skip
    return [prometheus, node] if nodes else [prometheus]


def field_config(panel: dict[str, Any]) -> dict[str, Any]:
    """Return unit, colours, and the red line if the panel has a limit."""
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if "limit" in panel:
        steps.append({"color": "red", "value": panel["limit"]})
    defaults = {"unit": panel["unit"], "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel["type"] == "timeseries":
        line = "line" if "limit" in panel else "off"
        defaults["custom"] = {"fillOpacity": 10, "showPoints": "never", "thresholdsStyle": {"mode": line}}
    return {"defaults": defaults, "overrides": []}


def targets(queries: dict[str, str]) -> list[dict[str, Any]]:
    """Return the queries of a panel, named A, B, ..."""
    return [
        {
            "refId": chr(ord("A") + number), "datasource": DATASOURCE, "editorMode": "code", "expr": expression,
            "legendFormat": legend, "range": True,
        }
        for number, (legend, expression) in enumerate(queries.items())
    ]  # fmt: skip


def panels(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all rows and panels, placed from left to right and from top to bottom."""
    made: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        position = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        made.append({"id": len(made) + 1, "type": "row", "title": row["title"], "gridPos": position})
        made[-1] |= {"collapsed": False, "panels": []}
        top, left, height = top + 1, 0, 0
        for panel in row["panels"]:
            width, tall = SIZES[panel["type"]]
            width = panel.get("width", width)
            if left + width > COLUMNS:
                top, left, height = top + height, 0, 0
            position = {"x": left, "y": top, "w": width, "h": tall}
            left, height = left + width, max(height, tall)
            made.append({
                "id": len(made) + 1, "type": panel["type"], "title": panel["title"], "gridPos": position,
                "datasource": DATASOURCE, "fieldConfig": field_config(panel), "options": OPTIONS[panel["type"]],
                "targets": targets(panel["queries"]),
            })  # fmt: skip
        top += height
    return made


def dashboard(data: dict[str, Any]) -> dict[str, Any]:
    """Return one dashboard in Grafana's format."""
    alerts = {
        "name": "Alerts 告警", "enable": True, "hide": False, "iconColor": "red", "datasource": DATASOURCE,
        "expr": 'ALERTS{alertstate="firing", alertname=~"Imapp.+"}', "step": "60s", "titleFormat": "{{alertname}}",
        "textFormat": "{{instance}}",
    }  # fmt: skip
    link = {"type": "dashboards", "title": "imapp", "tags": ["imapp"], "asDropdown": False, "keepTime": True}
    return {
        "uid": data["uid"], "title": data["title"], "tags": ["imapp"], "schemaVersion": 39, "version": 1,
        "editable": False, "graphTooltip": 1, "timezone": "browser", "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"}, "annotations": {"list": [alerts]}, "links": [link],
        "templating": {"list": variables(nodes=data["nodes"])}, "panels": panels(data["rows"]),
    }  # fmt: skip


def main(folder: Path) -> None:
    """Write all dashboards into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted((HERE / "panels").glob("*.yaml")):
        made = dashboard(yaml.safe_load(file.read_text(encoding="utf-8")))
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        (folder / f"{file.stem}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards")
