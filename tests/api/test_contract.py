"""Rules of every REST address: strict input, one format of errors, headers, and no access without a token."""

import gzip
import logging
import socket
from datetime import date

import pytest
from flask import url_for

from imapp.api.http.endpoint import Deprecated, Endpoint, endpoint
from imapp.api.http.openapi import document
from imapp.schemas.base import Out
from imapp.services.accounts.authentication import Actor
from tests.accounts import bearer, register

#: The complete list of addresses that need no token.
PUBLIC = {
    "admin_login.begin_enrolment",
    "admin_login.confirm_enrolment",
    "admin_login.login",
    "auth.login",
    "auth.refresh",
    "auth.register",
    "config.show_config",
    "health.check",
    "health.check_liveness",
    "health.check_readiness",
    "health.show_info",
}


def post(client, data, content_type="application/json"):
    return client.post("/api/auth/login", data=data, content_type=content_type)


def test_only_the_listed_addresses_are_public(app):
    views = {rule.endpoint: app.view_functions[rule.endpoint] for rule in app.url_map.iter_rules()}

    public = {name for name, view in views.items() if isinstance(view, Endpoint) and not view.needs_actor}

    assert public == PUBLIC


def test_every_address_of_the_api_has_a_contract(app):
    free = {"asyncapi.serve", "docs.openapi", "docs.page", "docs.static"}

    rules = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api")]

    assert {r.endpoint for r in rules if not isinstance(app.view_functions[r.endpoint], Endpoint)} == free


def test_every_address_with_a_contract_needs_a_token(app, client):
    checked = 0
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if isinstance(view, Endpoint) and view.needs_actor:
            path = rule.rule
            for name in rule.arguments:
                converter = "message" if f"<message:{name}>" in path else "id" if f"<id:{name}>" in path else "string"
                path = path.replace(f"<{converter}:{name}>", "1-1" if converter == "message" else "1")
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                answer = client.open(path, method=method)
                assert (answer.status_code, answer.json["code"]) == (401, "invalid_token"), (method, path)
                checked += 1
    assert checked > 10


def test_a_view_must_take_an_actor_or_be_public():
    def view() -> None:
        """Take no actor."""

    with pytest.raises(TypeError, match="must either take an actor or be public"):
        endpoint()(view)


def test_a_view_that_takes_an_actor_cannot_be_public():
    def view(actor: Actor) -> None:
        """Take an actor although the endpoint is public."""

    with pytest.raises(TypeError, match="must either take an actor or be public"):
        endpoint(public=True)(view)


def test_a_view_must_answer_with_a_schema():
    def view(actor: Actor) -> dict:
        """Answer with a plain dict."""

    with pytest.raises(TypeError, match="is not a schema"):
        endpoint()(view)


def test_an_undeclared_status_is_an_error(app):
    class Answer(Out):
        value: int

    def view() -> Answer:
        return Answer(value=1), 202

    with app.test_request_context("/"), pytest.raises(AssertionError, match="does not declare the status 202"):
        endpoint(public=True)(view)()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b'{"account": NaN}',
        b'{"account": Infinity}',
        b'{"account": 1e999}',
        b'{"account": "\xff"}',
        b'{"account": "\\ud800"}',
        b'{"account": "a\\u0000b"}',
        b'{"a\\u0000b": 1}',
        b'{"account": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"account": ' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}",
        b"[" * 16_000,
        b"{'account': 'x'}",
        b"account=x",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_other_than_a_plain_json_object_is_malformed(client, body):
    answer = post(client, body)

    assert (answer.status_code, answer.json["code"]) == (400, "malformed")
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"account": "a"},
        {"account": 1, "password": "x"},
        {"account": ["a"], "password": "x"},
        {"account": {"$ne": ""}, "password": "x"},
        {"account": None, "password": "x"},
        {"account": True, "password": "x"},
        {"account": "a", "password": "x", "admin": True},
        {"account": "a", "password": "x" * 1025},
        {"account": "a" * 321, "password": "x"},
        {"account": "a", "password": "x", "device": "phone"},
        {"account": "a", "password": 2**63},
    ],
    ids=repr,
)
def test_input_must_have_the_exact_type_and_no_unknown_field(client, body):
    answer = client.post("/api/auth/login", json=body)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert all(error.keys() == {"field", "message"} for error in answer.json["errors"])


def test_a_refusal_names_the_fields_but_not_the_values(client, caplog):
    caplog.set_level(logging.DEBUG)

    answer = client.post("/api/auth/login", json={"account": "a", "password": ["hunter2-secret"]})

    assert [error["field"] for error in answer.json["errors"]] == ["password"]
    assert "hunter2" not in answer.text + caplog.text


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_json_under_another_content_type_is_refused(client, content_type):
    answer = post(client, b'{"account": "a", "password": "x"}', content_type)

    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def test_a_compressed_body_is_refused_with_a_specific_message(client):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = client.post(
        "/api/auth/login", data=gzip.compress(b'{"account": "alice", "password": "x"}'), headers=headers
    )

    assert (answer.status_code, answer.json["detail"]) == (415, "The body must not be compressed.")


def test_a_body_beyond_the_limit_is_refused(make_app):
    client = make_app(request_max_bytes=1024).test_client()

    answer = post(client, b'{"account": "' + b"x" * 2000 + b'"}')

    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def test_unknown_addresses_and_methods_are_answered_as_problems(client):
    unknown, method = client.get("/api/nothing"), client.put("/api/auth/login")

    assert (unknown.status_code, unknown.json["code"]) == (404, "not_found")
    assert (method.status_code, method.json["code"]) == (405, "method_not_allowed")
    assert "POST" in method.headers["Allow"]


def test_a_redirect_stays_a_redirect(app, client):
    app.add_url_rule("/moved/", "moved", lambda: "here")

    assert client.get("/moved").status_code == 308


def test_other_errors_of_the_framework_keep_their_status(app, client):
    def refuse():
        from werkzeug.exceptions import RequestedRangeNotSatisfiable  # only this view needs it

        raise RequestedRangeNotSatisfiable

    app.add_url_rule("/range", "range", refuse)

    answer = client.get("/range")

    assert (answer.status_code, answer.json["code"]) == (416, "bad_request")


def test_a_bug_is_logged_with_its_traceback_and_answered_without_details(app, client, caplog):
    def fail():
        raise RuntimeError("secret detail")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.add_url_rule("/fail/<name>", "fail", lambda name: fail())

    answer = client.get("/fail/x%0d%0aforged line")

    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "RuntimeError: secret detail" in caplog.text
    assert "forged" not in caplog.text


def test_an_absent_database_is_answered_503_without_a_traceback_in_the_log(make_app, caplog):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    client = make_app(database_url=f"mysql://im:im@127.0.0.1:{port}/im").test_client()

    answer = client.post("/api/auth/login", json={"account": "alice", "password": "x"})

    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert "Traceback" not in caplog.text
    assert str(port) not in answer.text


@pytest.mark.parametrize("path", ["/api/messages/1", "/api/messages/x-1", f"/api/messages/1-{2**63}"])
def test_an_invalid_message_id_is_answered_404(client, path):
    alice = register(client, "alice")

    assert client.get(path, headers=bearer(alice)).status_code == 404


def test_addresses_can_be_built_from_ids(app):
    with app.test_request_context():
        assert url_for("users.get_user", user_id=7) == "/api/users/7"


def test_a_token_in_the_query_is_ignored(client):
    alice = register(client, "alice")

    answer = client.get(f"/api/users/me?token={alice['access_token']}")

    assert answer.status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer x y", "Token x", "Bearer \xff"])
def test_other_authorization_headers_are_refused(client, header):
    answer = client.get("/api/users/me", headers={"Authorization": header})

    assert (answer.status_code, answer.json["code"]) == (401, "invalid_token")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_answer_carries_the_security_headers(client):
    alice = register(client, "alice")

    answers = [
        client.get("/api/users/me", headers=bearer(alice)),
        client.get("/api/users/me"),
        client.get("/nowhere"),
        client.get("/api/docs"),
        client.get("/actuator/health/liveness"),
    ]

    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in answer.headers
    assert {answer.headers.get("Cache-Control") for answer in (answers[0], answers[1])} == {"no-store"}


def test_an_answer_over_tls_carries_hsts(client):
    answer = client.get("/actuator/health/liveness", base_url="https://chat.example.org")

    assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")


def test_no_cookie_is_ever_set(client):
    alice = register(client, "alice")

    answer = client.get("/api/users/me", headers=bearer(alice))

    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://chat.example.org.evil.example"])
def test_other_origins_may_not_read_the_api(make_app, origin):
    client = make_app(allowed_origins=("https://chat.example.org",)).test_client()

    answer = client.get("/actuator/health/liveness", headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


def test_no_origin_may_read_the_api_by_default(client):
    answer = client.get("/actuator/health/liveness", headers={"Origin": "https://evil.example"})

    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_configured_origin_may_read_the_api_without_credentials(make_app):
    client = make_app(allowed_origins=("https://chat.example.org",)).test_client()
    asks = {"Origin": "https://chat.example.org", "Access-Control-Request-Method": "PATCH"}

    answer = client.options("/api/users/me", headers=asks)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://chat.example.org"
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_deprecated_operation_is_marked_in_its_answers_and_in_the_document(app, client):
    end = Deprecated(since=date(2026, 1, 1), sunset=date(2026, 7, 1), link="/docs/gone")

    @app.get("/api/old")
    @endpoint(public=True, deprecated=end)
    def old() -> None:
        """Do something deprecated."""

    answer = client.get("/api/old")

    assert answer.headers["Deprecation"] == "@1767225600"
    assert answer.headers["Sunset"] == "Wed, 01 Jul 2026 00:00:00 GMT"
    assert answer.headers["Link"].startswith('</docs/gone>; rel="deprecation"')
    assert document(app)["paths"]["/api/old"]["get"]["deprecated"] is True
    assert "Deprecation" not in client.get("/api/config").headers


def test_an_answer_to_a_creation_has_a_location(client):
    answer = client.post("/api/auth/register", json={"username": "zoe", "password": "correct horse battery"})

    assert answer.headers["Location"] == "/api/users/me"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_id_beyond_64_bits_is_answered_404_for_every_method(client, method):
    answer = client.open("/api/messages/490-9229304715391490734/pin", method=method)

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_an_unknown_address_is_a_page_for_browsers_and_a_problem_for_programs(client):
    page = client.get("/nowhere", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    program = client.get("/nowhere")
    api = client.get("/api/nowhere", headers={"Accept": "text/html"})

    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert program.mimetype == api.mimetype == "application/problem+json"


def test_cors_lists_the_headers_that_pages_may_send_and_read(make_app):
    client = make_app(allowed_origins="https://chat.example.org").test_client()

    answer = client.options("/api/groups", headers={"Origin": "https://chat.example.org"})

    allowed = set(answer.headers["Access-Control-Allow-Headers"].split(", "))
    exposed = set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert {"Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-ID"} <= allowed
    assert {"ETag", "Location", "Retry-After", "Deprecation", "Sunset", "X-Request-ID"} <= exposed
