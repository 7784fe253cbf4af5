#!/usr/bin/env python3
"""Draw a dashboard of this folder without Grafana, from a Prometheus: one HTML file that works offline.

    deploy/monitoring/grafana/preview.py --prometheus http://127.0.0.1:9090 --minutes 30 FILE.json > overview.html

For use without Grafana, and to see the effect of a change of the panels. Needs scripts/setup.sh (web/vendor/uplot.js
draws the charts). Exit codes: 0 done, 1 Prometheus does not answer, 2 wrong usage.
"""

import argparse
import html
import json
import re
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

HERE = Path(__file__).resolve().parent
VENDOR = HERE.parents[2] / "web/vendor"

#: Points of a chart; more points than pixels would not be visible.
POINTS = 240

#: Grafana's own variables and their values here.
_VARIABLES = {"$__rate_interval": "1m", "$node": ".*"}


class Prometheus:
    """The data of a Prometheus for the last minutes."""

    def __init__(self, url: str, minutes: float) -> None:
        self._url = url.rstrip("/")
        self._end = time.time()
        self._start = self._end - 60 * minutes
        self._step = max(1.0, 60 * minutes / POINTS)
        self.times = [self._start + self._step * number for number in range(POINTS + 1)]

    def series(self, target: dict[str, Any]) -> list[dict[str, Any]]:
        """Return one line for each series of a query: its label, and a value or null for each of `times`."""
        expression = target["expr"]
        for name, value in _VARIABLES.items():
            expression = expression.replace(name, value)
        query = {"query": expression, "start": self._start, "end": self._end, "step": self._step}
        with urlopen(f"{self._url}/api/v1/query_range?{urlencode(query)}", timeout=30) as answer:  # noqa: S310
            found = json.load(answer)["data"]["result"]
        return [self._line(target.get("legendFormat", ""), one) for one in found]

    def _line(self, legend: str, one: dict[str, Any]) -> dict[str, Any]:
        label = re.sub(r"{{\s*(\w+)\s*}}", lambda found: one["metric"].get(found[1], ""), legend)
        values: list[float | None] = [None] * len(self.times)
        for moment, value in one["values"]:
            place = round((moment - self._start) / self._step)
            if 0 <= place < len(values) and value != "NaN":
                values[place] = float(value)
        return {"label": label, "values": values}


def panels(dashboard: dict[str, Any], prometheus: Prometheus) -> list[dict[str, Any]]:
    """Return the rows and charts in order, with their data."""
    found = []
    for panel in dashboard["panels"]:
        lines = [line for target in panel.get("targets", ()) for line in prometheus.series(target)]
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
        found.append({"title": panel["title"], "is_row": panel["type"] == "row", "unit": unit, "lines": lines})
    return found


def page(dashboards: list[dict[str, Any]], prometheus: Prometheus) -> str:
    """Return one HTML page with all dashboards below each other."""
    drawn = [{"title": one["title"], "panels": panels(one, prometheus)} for one in dashboards]
    data = json.dumps({"times": prometheus.times, "dashboards": drawn}).replace("<", "\\u003c")
    parts = {
        "TITLE": html.escape(", ".join(one["title"] for one in dashboards)),
        "STYLE": (VENDOR / "uplot.css").read_text(encoding="utf-8"),
        "UPLOT": (VENDOR / "uplot.js").read_text(encoding="utf-8").replace("export { uPlot as default };", ""),
        "DATA": data,
    }
    text = (HERE / "preview.html").read_text(encoding="utf-8")
    for name, value in parts.items():
        text = text.replace(f"%{name}%", value)
    return text


def main() -> int:
    """Read the dashboards, query Prometheus and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("dashboards", nargs="+", type=Path)
    options = parser.parse_args()
    dashboards = [json.loads(file.read_text(encoding="utf-8")) for file in options.dashboards]
    try:
        sys.stdout.write(page(dashboards, Prometheus(options.prometheus, options.minutes)))
    except (URLError, OSError) as error:
        sys.stderr.write(f"preview.py: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
