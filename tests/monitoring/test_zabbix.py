"""The template for Zabbix 6.0: its importer accepts it, and every pattern finds one value in a node's real answer."""

import re
from uuid import UUID

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.rules import alerts
from tests.support.monitoring import MONITORING

EXPORT = yaml.safe_load((MONITORING / "zabbix/imapp.yaml").read_text())["zabbix_export"]
[TEMPLATE] = EXPORT["templates"]
ITEMS = {item["key"]: item for item in TEMPLATE["items"]}
TRIGGERS = [*EXPORT["triggers"], *(one for item in TEMPLATE["items"] for one in item.get("triggers", []))]

#: Keys of an item in Zabbix 6.0 that this template uses; an unknown key makes the import fail.
ITEM_WORDS = {
    "uuid", "name", "type", "key", "delay", "history", "trends", "value_type", "units", "description", "params",
    "preprocessing", "timeout", "url", "status_codes", "master_item", "valuemap", "tags", "triggers",
}  # fmt: skip
TRIGGER_WORDS = {"uuid", "expression", "name", "priority", "description", "dependencies"}


def uuids(part) -> list[str]:
    """Return all ids at any depth."""
    if isinstance(part, list):
        return [found for one in part for found in uuids(one)]
    if isinstance(part, dict):
        own = [part["uuid"]] if "uuid" in part else []
        return own + [found for one in part.values() for found in uuids(one)]
    return []


def pattern_of(item: dict) -> list[str]:
    """Return the Prometheus pattern, the kind of result, and the function."""
    step = item["preprocessing"][0]
    assert step["type"] == "PROMETHEUS_PATTERN"
    return step["parameters"]


def matches(pattern: str, answer: str) -> list[float]:
    """Return the values that Zabbix finds in the text with a pattern that uses = and =~."""
    name, _, rest = pattern.partition("{")
    wanted = re.findall(r'(\w+)(=~?)"([^"]*)"', rest)
    samples = [one for family in text_string_to_metric_families(answer) for one in family.samples if one.name == name]
    return [
        one.value
        for one in samples
        if all(
            re.fullmatch(value if kind == "=~" else re.escape(value), one.labels[key]) for key, kind, value in wanted
        )
    ]


def test_the_export_is_for_zabbix_6_and_has_unique_ids_of_version_4():
    ids = uuids(EXPORT)

    assert EXPORT["version"] == "6.0"
    assert len(ids) == len(set(ids))
    assert {UUID(one).version for one in ids} == {4}
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)


def test_items_and_triggers_use_only_keys_known_to_zabbix():
    assert {word for item in TEMPLATE["items"] for word in item} <= ITEM_WORDS
    assert {word for trigger in TRIGGERS for word in trigger} <= TRIGGER_WORDS
    assert {item["type"] for item in TEMPLATE["items"]} == {"HTTP_AGENT", "DEPENDENT", "CALCULATED"}
    assert {one["priority"] for one in TRIGGERS} <= {"WARNING", "AVERAGE", "HIGH", "DISASTER"}


def test_every_item_has_a_unique_key_and_dependent_items_have_their_master():
    assert len(ITEMS) == len(TEMPLATE["items"])
    for item in (one for one in TEMPLATE["items"] if one["type"] == "DEPENDENT"):
        assert item["delay"] == "0"
        assert ITEMS[item["master_item"]["key"]]["type"] == "HTTP_AGENT"


def test_triggers_use_existing_items_and_macros():
    macros = {one["macro"] for one in TEMPLATE["macros"]}
    asked = " ".join([*(one["expression"] for one in TRIGGERS), *(item.get("url", "") for item in TEMPLATE["items"])])
    calculated = [item["params"] for item in TEMPLATE["items"] if "params" in item]
    keys = re.findall(rf"/{TEMPLATE['template']}/([\w.]+)", asked) + re.findall(r"//([\w.]+)", " ".join(calculated))

    assert set(keys) <= set(ITEMS)
    assert set(re.findall(r"{\$[\w.]+}", asked)) == macros


def test_triggers_of_several_items_are_outside_the_template_as_zabbix_demands():
    def items_in(trigger: dict) -> int:
        return len(set(re.findall(rf"/{TEMPLATE['template']}/([\w.]+)", trigger["expression"])))

    assert all(items_in(one) > 1 for one in EXPORT["triggers"])
    assert all(items_in(one) == 1 for item in TEMPLATE["items"] for one in item.get("triggers", []))


def test_triggers_depend_on_existing_triggers():
    known = {(one["name"], one["expression"]) for one in TRIGGERS}

    assert {(on["name"], on["expression"]) for one in TRIGGERS for on in one.get("dependencies", [])} <= known
    assert len(known) == len(TRIGGERS)


def test_every_trigger_has_a_name_in_both_languages_and_a_runbook():
    anchors = {rule["alert"].lower() for rule in alerts()}

    for trigger in TRIGGERS:
        assert re.search(r"[\u4e00-\u9fff]", trigger["name"])
        assert trigger["description"].removeprefix("Runbook: docs/operations.md#") in anchors


@pytest.mark.slow
def test_every_pattern_finds_its_value_in_a_nodes_answer(server):
    answer = requests.get(server.url + "/actuator/prometheus", timeout=10).text

    for item in (one for one in TEMPLATE["items"] if one["type"] == "DEPENDENT"):
        pattern, taken, how = pattern_of(item)
        found = len(matches(pattern, answer))
        assert (taken, how, found) == ("value", "", 1) or ((taken, how) == ("function", "sum") and found > 1), item[
            "key"
        ]


@pytest.mark.slow
def test_the_health_item_accepts_a_nodes_answer(server):
    answer = requests.get(server.url + "/actuator/health", timeout=10)

    assert str(answer.status_code) in ITEMS["imapp.health"]["status_codes"].split(",")
    assert answer.json()["status"] == "UP"
