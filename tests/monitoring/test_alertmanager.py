"""Notifications of alerts: routes, inhibition, and a node that is killed and comes back."""

import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import yaml

from tests.monitoring.conftest import quick, shipped
from tests.support.monitoring import MONITORING, Alertmanager, Prometheus, Receiver, program
from tests.support.ports import wait_for

CONFIG = MONITORING / "alertmanager.yaml"
MANUAL = "https://manual.example.com/operations.md"


def amtool(*arguments) -> str:
    ran = subprocess.run([program("amtool"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.strip()


def telling(url: str) -> dict[str, Any]:
    """Return the shipped configuration with waits of a second and one webhook in place of all receivers."""
    config = shipped("alertmanager.yaml")
    config["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    hook = {"url": url, "send_resolved": True}
    told = [{"name": one["name"], "webhook_configs": [hook]} for one in config["receivers"] if one["name"] != "nobody"]
    return {**config, "receivers": [*told, {"name": "nobody"}]}


def impatient(folder) -> str:
    """Copy the shipped rules to a folder, with `for` set to a second; return the pattern of files for Prometheus."""
    folder.mkdir()
    for file in (MONITORING / "rules").glob("*.yaml"):
        content = yaml.safe_load(file.read_text())
        for rule in (rule for group in content["groups"] for rule in group["rules"] if "for" in rule):
            rule["for"] = "1s"
        (folder / file.name).write_text(yaml.safe_dump(content))
    return str(folder / "*.yaml")


@pytest.fixture
def receiver():
    """Provide a webhook."""
    with Receiver() as one:
        yield one


@pytest.fixture
def alertmanager(tmp_path, receiver):
    """Run an Alertmanager that notifies the webhook."""
    one = Alertmanager(tmp_path / "alertmanager", telling(receiver.url))
    yield one
    one.stop()


def test_alertmanager_understands_the_example():
    assert "SUCCESS" in amtool("check-config", CONFIG)


@pytest.mark.parametrize(("severity", "expected"), [("critical", "duty"), ("warning", "mail"), ("info", "nobody")])
def test_each_severity_has_its_receiver(severity, expected):
    assert amtool("config", "routes", "test", f"--config.file={CONFIG}", f"severity={severity}") == expected


def test_a_node_that_is_down_silences_only_the_alerts_that_follow_from_it(alertmanager):
    def alert(name: str, instance: str) -> dict[str, Any]:
        labels = {"alertname": name, "instance": instance, "severity": "warning"}
        return {"labels": labels, "startsAt": datetime.now(UTC).isoformat()}

    def silenced() -> set[tuple[str, str]]:
        found = requests.get(alertmanager.url + "/api/v2/alerts", timeout=10).json()
        assert len(found) == 5
        hidden = [one["labels"] for one in found if one["status"]["state"] == "suppressed"]
        return {(labels["alertname"], labels["instance"]) for labels in hidden}

    told = [
        alert("ImappNodeDown", "a"), alert("ImappMemoryNearLimit", "a"), alert("ImappMemoryNearLimit", "b"),
        alert("ImappNodeDied", "b"), alert("ImappForgedMessages", "b"),
    ]  # fmt: skip
    requests.post(alertmanager.url + "/api/v2/alerts", json=told, timeout=10).raise_for_status()

    wait_for(lambda: silenced() == {("ImappMemoryNearLimit", "a"), ("ImappNodeDied", "b")}, what="the inhibition")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_killed_node_and_its_return_are_notified(start_nodes, alertmanager, receiver, tmp_path):
    def told(status: str) -> list[dict[str, Any]]:
        return [alert for name, state, alert in receiver.told if (name, state) == ("ImappNodeDown", status)]

    first, second = start_nodes(2)
    addresses = [node.url.removeprefix("http://") for node in (first, second)]
    config = quick(shipped("prometheus.yaml"), {"imapp": addresses})
    config["rule_files"] = [impatient(tmp_path / "rules")]
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager.address]}]}]
    config["global"]["external_labels"] = {"manual": MANUAL}
    prometheus = Prometheus(tmp_path / "prometheus", config)
    try:
        wait_for(lambda: len(prometheus.query("up == 1")) == 2, what="both nodes")
        second.kill()

        wait_for(lambda: told("firing"), what="the alert at the webhook")
        second.start()
        wait_for(lambda: told("resolved"), 90, "the resolved alert at the webhook")
    finally:
        prometheus.stop()

    alert = told("firing")[0]
    assert {one["labels"]["instance"] for one in told("firing")} == {addresses[1]}
    assert alert["labels"].keys() == {"alertname", "instance", "job", "severity"}
    assert alert["annotations"]["summary"] == f"{addresses[1]} does not answer"
    assert alert["annotations"]["summary_zh"] == f"节点 {addresses[1]} 没有响应"
    assert alert["annotations"]["runbook_url"] == f"{MANUAL}#imappnodedown"
