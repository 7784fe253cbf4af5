"""The metrics that a node exports to Prometheus."""

import requests
from prometheus_client.parser import text_string_to_metric_families

#: Name with labels, such as `imapp_commands_total{command="react",outcome="ok"}` -> value.
Figures = dict[str, float]


def parse(text: str) -> Figures:
    """Return all samples of an exposition."""
    return {_name(one): one.value for family in text_string_to_metric_families(text) for one in family.samples}


def _name(sample) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}" if labels else sample.name


def scrape(server) -> Figures:
    """Return a node's current metrics."""
    return parse(requests.get(server.url + "/actuator/prometheus", timeout=10).text)
