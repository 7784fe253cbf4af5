"""What a node tells Prometheus."""

import requests
from prometheus_client.parser import text_string_to_metric_families

#: name -> value, by name and labels: `imapp_commands_total{command="react",outcome="ok"}`.
Figures = dict[str, float]


def parse(text: str) -> Figures:
    """All samples of an exposition."""
    return {_name(one): one.value for family in text_string_to_metric_families(text) for one in family.samples}


def _name(sample) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}" if labels else sample.name


def scrape(server) -> Figures:
    """A node's figures now."""
    return parse(requests.get(server.url + "/actuator/prometheus", timeout=10).text)
