"""The alert rules: valid, complete in both languages, and each fires exactly when it should."""

import re
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from imapp import errors
from tests.monitoring.rules import PENDING, alerts, metrics_in, panels, records, rules
from tests.support.monitoring import MONITORING, program
from tests.support.server import ROOT

CASES = yaml.safe_load((ROOT / "tests/monitoring/cases.yaml").read_text())
ANNOTATIONS = {"summary", "summary_zh", "description", "description_zh", "runbook_url"}
MANUAL = "https://manual.example.com/operations.md"


def promtool(*arguments) -> None:
    ran = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def run_cases(folder, tests: list[dict[str, Any]], interval: str = "15s") -> None:
    """Let promtool run the tests on the rules, with a sample and an evaluation in each interval."""
    files = [str(file) for file in (MONITORING / "rules").glob("*.yaml")]
    tests = [{**test, "interval": interval} for test in tests]
    document = {"rule_files": files, "evaluation_interval": interval, "tests": tests}
    (folder / "cases.yaml").write_text(yaml.safe_dump(document))
    promtool("test", "rules", folder / "cases.yaml")


def cases_of(alert: str) -> list[dict[str, Any]]:
    """Return the cases of an alert in promtool's format."""
    one = CASES[alert]
    quiet = one["quiet"] if isinstance(one["quiet"], list) else [one["quiet"]]
    return [case(alert, "firing", one["firing"]), *(case(alert, "quiet", series) for series in quiet)]


def case(alert: str, kind: str, series: dict[str, str]) -> dict[str, Any]:
    """Return one case: the alert fires once, or does not."""
    expression = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    expected = [{"labels": "{}", "value": 1}] if kind == "firing" else []
    return {
        "name": f"{alert} {kind}",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": CASES[alert].get("at", "15m"), "exp_samples": expected}],
    }


def test_prometheus_understands_its_configuration_and_all_rules():
    promtool("check", "config", MONITORING / "prometheus.yaml")
    promtool("check", "rules", "--lint=all", "--lint-fatal", *(MONITORING / "rules").glob("*.yaml"))


def test_every_alert_has_a_unique_name_and_two_cases():
    names = [rule["alert"] for rule in alerts()]

    assert len(names) == len(set(names))
    assert set(CASES) == set(names)
    assert all(one["firing"] and one["quiet"] for one in CASES.values())


def test_every_alert_fires_when_it_should_and_is_quiet_when_it_should(tmp_path):
    for interval in ("15s", "5m"):
        alerts_of_it = [alert for alert, one in CASES.items() if one.get("interval", "15s") == interval]
        run_cases(tmp_path, [one for alert in alerts_of_it for one in cases_of(alert)], interval)


def test_an_alert_names_the_node_the_value_and_the_runbook(tmp_path):
    said = {
        "summary": "node-1:8080 uses 81% of its memory",
        "summary_zh": "节点 node-1:8080 内存使用率 81%",
        "runbook_url": f"{MANUAL}#imappmemorynearlimit",
    }
    [rule] = [rule for rule in alerts() if rule["alert"] == "ImappMemoryNearLimit"]
    expected = {
        "exp_labels": {"instance": "node-1:8080", "severity": "warning"},
        "exp_annotations": {**rule["annotations"], **said},
    }
    series = {'imapp_memory_bytes{instance="node-1:8080"}': 81, 'imapp_memory_limit_bytes{instance="node-1:8080"}': 100}

    run_cases(tmp_path, [{
        "external_labels": {"manual": MANUAL},
        "input_series": [{"series": name, "values": f"{value}x60"} for name, value in series.items()],
        "alert_rule_test": [{"eval_time": "15m", "alertname": rule["alert"], "exp_alerts": [expected]}],
    }])  # fmt: skip


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_has_texts_in_both_languages_and_a_severity(rule):
    said = rule["annotations"]

    assert set(said) == ANNOTATIONS
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert all(re.search(r"[\u4e00-\u9fff]", said[name]) for name in ("summary_zh", "description_zh"))
    assert not re.search(r"[\u4e00-\u9fff]", said["summary"] + said["description"])
    assert set(re.findall(r"{{.*?}}", said["summary"])) == set(re.findall(r"{{.*?}}", said["summary_zh"]))
    assert said["runbook_url"] == "{{ $externalLabels.manual }}#" + rule["alert"].lower()


@pytest.mark.parametrize("name", ["docs/operations.md", "docs/operations.zh-CN.md"])
def test_the_manual_has_instructions_for_every_alert(name):
    sections = re.findall(r"^### (Imapp\w+)\n\n1\. .+\n2\. .+\n3\. .+$", (ROOT / name).read_text(), re.MULTILINE)

    assert sorted(sections) == sorted(rule["alert"] for rule in alerts())


def test_the_recorded_failures_are_exactly_the_server_errors():
    own = {one.code for one in vars(errors).values() if isinstance(one, type) and getattr(one, "status", 0) >= 500}

    asked = re.search(r'outcome=~"([\w|]+)"', records()["instance:imapp_command_failures:rate5m"])

    assert asked
    assert set(asked[1].split("|")) == own


def test_every_node_metric_in_rules_and_dashboards_is_measured(client):
    families = list(text_string_to_metric_families(client.get("/actuator/prometheus").text))
    measured = {one.name for family in families for one in family.samples} | {family.name for family in families}

    expressions = [rule["expr"] for rule in rules()] + [expression for _board, _panel, expression in panels()]
    named = {name for one in expressions for name in metrics_in(one) if name.startswith("imapp_")}

    assert len(named) > 40
    assert named - PENDING - measured == set()


def test_every_recorded_metric_is_named_as_prometheus_advises():
    assert all(re.fullmatch(r"(cluster|instance(_stage)?):\w+:\w+", name) for name in records())
    assert len(records()) + len(alerts()) == len(rules())


#: Commands in the manual's part on alerts that do not end, change something, or need the name of a host.
NOT_RUN = {"redis-cli --latency", "redis-cli CONFIG SET maxclients N"}


def test_the_manuals_commands_for_redis_and_the_database_work(redis_server, mariadb):
    """Run the commands in the manual's part on alerts, with the addresses of this machine."""
    text = (ROOT / "docs/operations.md").read_text().partition("\n## Alerts\n")[2].partition("\n## ")[0]
    commands = set(re.findall(r"`((?:redis-cli|mariadb -e) [^`]+)`", text)) - NOT_RUN

    for command in commands:
        asked = command.replace("redis-cli -h HOST", "redis-cli").replace(
            "redis-cli", f"redis-cli -p {redis_server.port}"
        )
        login = f"mariadb --no-defaults --host=127.0.0.1 --port={mariadb.port} --user=root -e"
        asked = asked.replace("mariadb -e", login)
        shell = ["bash", "-o", "pipefail", "-c", asked]
        ran = subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)
        assert (ran.returncode, ran.stderr) == (0, ""), (command, ran.stdout)
        assert "ERR" not in ran.stdout, command

    assert len(commands) > 10
