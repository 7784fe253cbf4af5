"""The metrics that Prometheus reads."""

import gc
import os

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from imapp.extensions import db
from imapp.schemas.messages import MessageDraft
from imapp.services.messaging import messages
from imapp.services.messaging.private_conversations import open_private
from imapp.telemetry.counters import single
from imapp.telemetry.event_loop import CollectorWatch
from imapp.telemetry.metrics import GC_PAUSES
from tests.support.people import create_users


@pytest.fixture
def scrape(client):
    """Provide `scrape()`, which returns the present values of metrics without labels, by name."""

    def read() -> dict[str, float]:
        answer = client.get("/actuator/prometheus")
        assert answer.status_code == 200
        families = text_string_to_metric_families(answer.text)
        return {one.name: one.value for family in families for one in family.samples if not one.labels}

    return read


def test_resources_of_the_process_are_measured(scrape):
    before = scrape()
    held = [os.dup(0) for _ in range(20)]

    after = scrape()

    for descriptor in held:
        os.close(descriptor)
    assert after["imapp_open_files"] >= before["imapp_open_files"] + 15
    assert after["imapp_open_files_limit"] > after["imapp_open_files"]
    assert 10 * 2**20 < after["imapp_memory_bytes"] < 10 * 2**30
    assert after["imapp_cpu_seconds_total"] >= before["imapp_cpu_seconds_total"] > 0


def test_the_latency_of_writes_is_measured(app, scrape):
    ada, bob = create_users("ada", "bob")
    conversation, _ = open_private(ada, bob)
    before = scrape()

    for number in range(3):
        messages.send(ada, conversation, MessageDraft(client_id=f"c{number}", type="text", content={"text": "hello"}))

    after = scrape()
    assert after["imapp_write_seconds_count"] == before["imapp_write_seconds_count"] + 3
    assert 0 < after["imapp_write_seconds_sum"] - before["imapp_write_seconds_sum"] < 60


def test_a_value_counts_in_the_bucket_that_it_does_not_exceed():
    registry = CollectorRegistry()
    histogram = single("seconds", "Time.", bounds=(0.1, 1), registry=registry)

    for value in (0.1, 0.2, 1, 5):
        histogram.observe(value)

    assert [registry.get_sample_value("seconds_bucket", {"le": bound}) for bound in ("0.1", "1.0", "+Inf")] == [1, 3, 4]
    assert registry.get_sample_value("seconds_sum") == pytest.approx(6.3)


def test_a_failing_statement_is_timed_too(app, scrape):
    before = scrape()["imapp_database_seconds_count"]

    with pytest.raises(DBAPIError):
        db.session.execute(text("SELECT nonsense FROM nowhere"))

    assert scrape()["imapp_database_seconds_count"] == before + 1


def test_pauses_of_the_garbage_collector_are_timed():
    watch = CollectorWatch()
    before = GC_PAUSES[2].buckets()[-1][1]
    gc.callbacks.append(watch.note)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(watch.note)

    assert GC_PAUSES[2].buckets()[-1][1] == before + 1
