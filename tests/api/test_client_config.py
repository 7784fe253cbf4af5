"""GET /api/config: clients read every limit there instead of finding it out by refusals."""

import re

from imapp.services.write_path.message_rules import MAX_EDITS
from imapp.settings import Settings

#: Names of settings that bound something; each is published to clients or listed below.
BOUNDS = re.compile(r"(^|_)(max|min|limit|window|members|bytes|chars)(_|$)")

#: Limits of the server's own work, which no client reaches by the size or number of its own calls.
OF_THE_SERVER = {
    "bus_queue_max_bytes",
    "committer_batch_max",
    "committer_queue_max",
    "disk_threshold_bytes",
    "log_file_max_bytes",
    "max_connecting_per_address",
    "max_connections",
    "rate_limits",
    "rate_members_added_per_user",
    "slow_client_max_bytes",
}

#: Settings with published values under another name.
RENAMED = {
    "edit_window_seconds": "edit_seconds",
    "group_member_limit": "group_members_max",
    "max_connections_per_user": "sockets_max",
    "max_payload_bytes": "packet_max_bytes",
    "password_min_length": "password_min_chars",
    "recall_window_seconds": "recall_seconds",
}


def test_every_limit_among_the_settings_is_published(client):
    config = client.get("/api/config").json
    told = {**config["limits"], **config["windows"]}

    bounds = {name for name in Settings.model_fields if BOUNDS.search(name)}
    untold = {name for name in bounds - OF_THE_SERVER if RENAMED.get(name, name) not in told}

    assert untold == set(), "publish these in imapp/schemas/client_config.py, or list them in OF_THE_SERVER"


def test_published_values_follow_the_settings(make_app):
    config = make_app(message_text_max_chars=7, recall_window_seconds=60, retention_messages_days=2).test_client()
    answer = config.get("/api/config").json

    assert answer["limits"]["message_text_max_chars"] == 7
    assert answer["windows"]["recall_seconds"] == 60
    assert answer["windows"]["messages_kept_seconds"] == answer["windows"]["changes_kept_seconds"] == 2 * 86_400
    assert answer["api_version"] == 1


def test_a_limit_in_a_schema_equals_the_published_one(client):
    limits = client.get("/api/config").json["limits"]
    schemas = client.get("/api/openapi.json").json["components"]["schemas"]

    assert limits["nickname_max_chars"] == 50
    assert limits["message_edits_max"] == MAX_EDITS
    assert limits["sync_conversations_max"] == schemas["SyncIn"]["properties"]["conversations"]["maxProperties"]


def test_a_client_with_the_current_config_gets_no_body(client):
    first = client.get("/api/config")

    again = client.get("/api/config", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "public, max-age=60"
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
