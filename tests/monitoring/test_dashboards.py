"""The dashboards: generated from the data beside them, valid for Grafana, and consistent."""

import json
import re
import subprocess
import sys
from itertools import combinations

import jsonschema
import pytest
import yaml

from tests.monitoring.rules import metrics_in, plain
from tests.support.monitoring import MONITORING
from tests.support.server import ROOT

GRAFANA = MONITORING / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
SCHEMA = yaml.safe_load((ROOT / "tests/monitoring/dashboard.schema.yaml").read_text())


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def board(request):
    """Provide each dashboard."""
    return json.loads(request.param.read_text())


def overlap(one: dict, other: dict) -> bool:
    a, b = one["gridPos"], other["gridPos"]
    return (
        a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]
    )


def test_the_dashboards_are_the_output_of_the_generator(tmp_path):
    subprocess.run([sys.executable, GRAFANA / "generate.py", tmp_path], check=True, timeout=60)

    made = {file.name: file.read_text() for file in tmp_path.iterdir()}

    assert made == {file.name: file.read_text() for file in FILES}
    assert set(made) == {"overview.json", "node.json", "messages.json", "redis.json", "database.json"}


def test_a_dashboard_follows_the_schema(board):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    jsonschema.validate(board, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_the_panels_have_unique_ids_and_do_not_overlap(board):
    ids = [panel["id"] for panel in board["panels"]]

    assert len(ids) == len(set(ids))
    assert [(a["title"], b["title"]) for a, b in combinations(board["panels"], 2) if overlap(a, b)] == []
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])


def test_the_queries_of_a_panel_have_unique_ids_and_legends(board):
    for panel in board["panels"]:
        targets = panel.get("targets", [])

        assert len({target["refId"] for target in targets}) == len(targets)
        assert len({target["legendFormat"] for target in targets}) == len(targets)


def test_a_dashboard_uses_exactly_the_variables_that_it_defines(board):
    offered = {one["name"] for one in board["templating"]["list"]}

    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"]))) - {"__rate_interval"}

    assert used == offered


def test_durations_and_bytes_have_their_units(board):
    for panel in board["panels"]:
        names = {name for target in panel.get("targets", []) for name in metrics_in(plain(target["expr"]))}
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")

        if names and all(name.endswith(("_seconds_bucket", "_lag_max_seconds")) for name in names):
            assert unit == "s", panel["title"]
        if unit in {"bytes", "Bps"}:
            assert all("bytes" in name for name in names), panel["title"]


def test_every_dashboard_has_a_unique_uid():
    uids = [json.loads(file.read_text())["uid"] for file in FILES]

    assert len(set(uids)) == len(FILES)


def test_grafana_finds_the_dashboards_and_the_prometheus_of_the_compose_file():
    compose = yaml.safe_load((ROOT / "deploy/docker/compose.yaml").read_text())["services"]
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/imapp.yaml").read_text())["providers"]
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/imapp.yaml").read_text())["datasources"]
    mounts = dict(volume.removesuffix(":ro").split(":") for volume in compose["grafana"]["volumes"])

    assert mounts["../monitoring/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["../monitoring/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert source["url"] == "http://prometheus:9090"
    assert source["type"] == "prometheus"
    assert "prometheus" in compose
    scrape = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scrape
