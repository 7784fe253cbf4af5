"""Every query of every dashboard and alert, run on a real Prometheus that watches a cluster in use."""

import math

import pytest

from tests.monitoring.conftest import quick, shipped
from tests.monitoring.rules import PENDING, alerts, metrics_in, panels, records
from tests.support.monitoring import Prometheus
from tests.support.ports import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: Queries without data in a new and healthy cluster: no alert fires, and there is no data of yesterday.
EMPTY = {
    ("overview", "Users online 在线用户", "cluster:imapp_online_users:sum offset 1d"),
    *((board, "Alerts 告警", 'ALERTS{alertstate="firing", alertname=~"Imapp.+"}')
      for board in ("overview", "node", "messages", "redis", "database")),
}  # fmt: skip


#: Selects all alerts but those that a busy machine may cause in a healthy cluster.
SLOW = 'alertname!~"ImappNodeDown|ImappEventLoopLag|ImappGcPauses|ImappSlow.+"'


def has_data(prometheus, expression: str) -> bool:
    """Return whether the expression has a result that is a number."""
    return any(not math.isnan(float(one["value"][1])) for one in prometheus.query(expression))


def test_every_query_of_every_dashboard_returns_data(watched):
    asked = [one for one in panels() if not metrics_in(one[2]) & PENDING]

    missing = [one for one in asked if one not in EMPTY and not has_data(watched, one[2])]

    assert len(asked) > 100
    assert missing == []
    assert set(asked) >= EMPTY


def test_every_alert_and_every_recorded_metric_is_computed_without_an_error(watched):
    def unhealthy() -> list[tuple[str, str]]:
        groups = watched.get("/api/v1/rules")["groups"]
        return [(one["name"], one["health"]) for group in groups for one in group["rules"] if one["health"] != "ok"]

    wait_for(lambda: not any(health == "unknown" for _name, health in unhealthy()), what="an evaluation of all rules")

    assert unhealthy() == []


def test_every_metric_of_an_alert_has_data(watched):
    metrics = {name for rule in alerts() for name in metrics_in(rule["expr"])} - PENDING

    assert [name for name in sorted(metrics) if not has_data(watched, name)] == []
    assert [name for name in records() if not has_data(watched, name)] == []


def test_no_alert_fires_in_a_healthy_cluster(watched):
    assert watched.query(f'ALERTS{{alertstate="firing", {SLOW}}}') == []


def test_no_alert_is_pending_or_firing_for_a_single_node_without_redis(server, tmp_path):
    targets = {"imapp": [server.url.removeprefix("http://")]}
    prometheus = Prometheus(tmp_path, quick(shipped("prometheus.yaml"), targets))

    try:
        wait_for(lambda: prometheus.query("count_over_time(up[1m]) >= 10"), what="ten scrapes")
        assert prometheus.query(f"ALERTS{{{SLOW}}}") == []
    finally:
        prometheus.stop()


def test_pending_metrics_are_really_not_measured_yet(watched):
    assert [name for name in sorted(PENDING) if has_data(watched, name)] == []
