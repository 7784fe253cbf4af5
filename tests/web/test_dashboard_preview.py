"""A dashboard drawn without Grafana: data from a real Prometheus, in a real browser, offline."""

import json
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.support.monitoring import MONITORING, Prometheus
from tests.support.ports import free_port, wait_for

pytestmark = pytest.mark.slow

PREVIEW = MONITORING / "grafana/preview.py"
OVERVIEW = MONITORING / "grafana/dashboards/overview.json"


def preview(url, *dashboards) -> subprocess.CompletedProcess:
    command = [sys.executable, PREVIEW, "--prometheus", url, "--minutes", "1", *dashboards]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_every_panel_is_drawn_with_data_from_prometheus(tmp_path, browser):
    # Prometheus scrapes itself under the nodes' job name, so one target is up.
    job = {"job_name": "imapp", "static_configs": [{"targets": ["localhost:9090"]}]}
    prometheus = Prometheus(tmp_path / "prometheus", {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]})
    wait_for(lambda: prometheus.query('up{job="imapp"}'), what="a first scrape")
    made = preview(prometheus.url, OVERVIEW)
    prometheus.stop()
    assert made.returncode == 0, made.stderr
    file = tmp_path / "overview.html"
    file.write_text(made.stdout)
    complaints = []
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text))
    page.goto(file.as_uri())

    panels = [panel for panel in json.loads(OVERVIEW.read_text())["panels"] if panel["type"] != "row"]
    expect(page.locator("figcaption")).to_have_text([panel["title"] for panel in panels])
    expect(page.locator("canvas")).to_have_count(len(panels))
    drawn = page.evaluate("JSON.parse(document.getElementById('data').textContent).dashboards[0].panels")
    nodes = next(panel for panel in drawn if panel["lines"])
    assert nodes["title"] == panels[0]["title"]
    assert {value for value in nodes["lines"][0]["values"] if value is not None} == {0}
    assert complaints == []
    context.close()


def test_an_absent_prometheus_is_reported_in_one_line():
    made = preview(f"http://127.0.0.1:{free_port()}", OVERVIEW)

    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr.startswith("preview.py: ")
    assert made.stderr.count("\n") == 1
