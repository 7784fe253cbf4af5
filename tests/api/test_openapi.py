"""The OpenAPI document and its page: complete, valid, and true."""

import json
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator

from imapp.api.http.endpoint import Endpoint
from tests.accounts import bearer, register
from tests.support import raised
from tests.support.documents import undescribed


@pytest.fixture
def document(client):
    return client.get("/api/openapi.json").json


def operations(document):
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_the_document_lists_exactly_the_views_with_a_contract(app, document):
    views = {
        rule.endpoint for rule in app.url_map.iter_rules() if isinstance(app.view_functions[rule.endpoint], Endpoint)
    }

    assert document["openapi"] == "3.1.0"
    assert sorted(operation["operationId"] for operation in operations(document)) == sorted(views)


def test_every_operation_has_a_summary_and_its_security(document):
    for operation in operations(document):
        assert re.match(r"[A-Z].+", operation["summary"])
        public = operation["operationId"].startswith(("health.", "admin_login.", "config.")) or operation[
            "operationId"
        ] in {
            "auth.register",
            "auth.login",
            "auth.refresh",
        }
        assert operation["security"] == ([] if public else [{"bearer": []}])
        assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}


def test_request_schemas_have_no_defaults(document):
    """Clients generated from a PATCH schema with defaults erased fields that their user had not set."""
    schemas = document["components"]["schemas"]

    parameters = [operation["parameters"] for operation in operations(document)]
    assert '"default":' not in json.dumps([schemas, parameters])
    assert schemas["ProfileIn"]["properties"]["bio"]["maxLength"] == 500
    assert "required" not in schemas["GroupPatch"]
    assert schemas["LoginIn"]["required"] == ["account", "password"]


def test_cursors_are_strings_in_requests_and_answers(document):
    asked = [p for o in operations(document) for p in o["parameters"] if p["name"] == "cursor"]

    assert len(asked) > 10
    for parameter in asked:
        assert {kind["type"] for kind in parameter["schema"].get("anyOf", [parameter["schema"]])} <= {"string", "null"}


def test_bounds_and_formats_use_json_schema_keywords(document):
    schemas = document["components"]["schemas"]

    found = set(re.findall(r'"(ge|le|gt|lt)":', json.dumps(document)))

    assert not found
    assert schemas["OpenPrivate"]["properties"]["user_id"]["minimum"] == 1
    assert "pattern" in str(schemas["GroupPatch"]["properties"]["avatar_url"])
    assert schemas["UserOut"]["properties"]["id"]["format"] == "int64"
    assert schemas["UserOut"]["properties"]["created_at"]["format"] == "date-time"
    assert schemas["MuteIn"]["properties"]["until"]["format"] == "date-time"


def test_answers_are_open_and_requests_are_closed(document):
    schemas = document["components"]["schemas"]
    bodies = {
        name
        for operation in operations(document)
        for name in re.findall(r"schemas/(\w+)", str(operation.get("requestBody", "")))
    }

    for name, schema in schemas.items():
        if name in bodies and "properties" in schema:
            assert schema["additionalProperties"] is False, name
        elif name.endswith("Message"):
            assert "const" not in str(schema["properties"]["mentions"]), name
        elif name.endswith("Out"):
            assert "additionalProperties" not in schema, name
            assert "enum" not in str(schema.get("properties")).replace("x-extensible-enum", ""), name


def test_the_content_of_a_message_depends_on_its_type_in_both_directions(document):
    schemas = document["components"]["schemas"]
    message = {**example_message(), "type": "text", "content": {"text": "hi"}}

    def fits(name, value):
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        return Draft202012Validator(schema).is_valid(value)

    assert fits("MessageOut", message)
    assert fits("MessageOut", {**message, "content": {}})
    assert fits("MessageOut", {**message, "type": "poll", "content": {"a": 1}, "new_field": True})
    assert not fits("MessageOut", {**message, "type": "image"})
    assert fits("MessageDraft", {"client_id": "1", "type": "text", "content": {"text": "hi"}})
    assert not fits("MessageDraft", {"client_id": "1", "type": "image", "content": {"text": "hi"}})
    assert not fits("StateRow", {"version": 1, "kind": "me", "item": {}})
    assert fits("StateRow", {"version": 1, "kind": "unheard_of", "item": {}})
    assert schemas["TextContent"] != schemas["TextContentIn"]


def test_the_documented_codes_are_those_that_the_code_raises():
    assert raised.FILE.read_bytes() == raised.text(), "regenerate it: .venv/bin/python -m tests.support.raised"


def test_every_status_of_an_operation_is_declared_with_its_codes(document):
    send = document["paths"]["/api/conversations/{conversation_id}/messages"]["post"]["responses"]
    codes = {status: answer.get("x-codes") for status, answer in send.items() if status != "default"}

    assert {"invalid_token", "session_revoked", "token_expired"} == set(codes["401"])
    assert "client_id_conflict" in codes["409"]
    assert {"text_too_long", "too_large"} <= set(codes["413"])
    for operation in operations(document):
        assert "Retry-After" in operation["responses"]["429"]["headers"]
        if any(parameter["in"] == "path" for parameter in operation["parameters"]):
            assert "not_found" in operation["responses"]["404"]["x-codes"]
    assert "not_a_member" in document["components"]["schemas"]["Problem"]["properties"]["code"]["x-extensible-enum"]


def test_headers_of_answers_are_sent_exactly_as_declared(make_app, document):
    """Each declared header of an answer is sent, and no documented header is sent undeclared."""
    client = make_app(rate_limits=True).test_client()
    tokens = register(client, "alice")
    headers = {**bearer(tokens), "Idempotency-Key": "one"}
    said = document["components"]["headers"]
    again = [client.post("/api/groups", json={"name": "board"}, headers=headers) for _ in range(2)][1]

    def declared(path, method, status):
        return set(document["paths"][path][method]["responses"][status]["headers"])

    def sent(answer):
        return set(answer.headers.keys()) & set(said)

    assert declared("/api/groups", "post", "201") == sent(again) >= {"RateLimit", "Idempotency-Replayed", "Location"}
    assert declared("/api/users/me", "get", "200") == sent(client.get("/api/users/me", headers=bearer(tokens)))
    assert declared("/api/config", "get", "200") == sent(client.get("/api/config")) == {"ETag", "X-Request-ID"}
    assert declared("/api/users/me", "get", "429") == {"Retry-After", "RateLimit", "RateLimit-Policy"}


def test_every_operation_parameter_schema_and_field_is_described(document):
    assert undescribed(document["components"]["schemas"]) == []
    for operation in operations(document):
        assert operation["description"].startswith(operation["summary"])
        for parameter in operation["parameters"]:
            assert parameter["description"], (operation["operationId"], parameter["name"])


def example_message():
    names = ["client_id", "reply_to", "forwarded_from", "edited_at", "recalled_at", "pinned_at", "pinned_by"]
    numbers = {"id": "7-1", "conversation_id": 7, "seq": 1, "change": 1, "sender_id": 3}
    others = {"mentions": [], "reactions": [], "created_at": "2026-11-23T19:30:00.123Z"}
    return {**numbers, **dict.fromkeys(names), **others}


def test_every_reference_resolves_and_every_schema_is_valid(document):
    schemas = document["components"]["schemas"]

    references = set(re.findall(r'#/components/schemas/([^"\']+)', str(document)))

    assert references <= schemas.keys()
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_path_parameters_match_the_path(document):
    for path, methods in document["paths"].items():
        for operation in methods.values():
            declared = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path))


def test_query_parameters_are_described_with_their_bounds(document):
    parameters = document["paths"]["/api/users"]["get"]["parameters"]

    by_name = {parameter["name"]: parameter for parameter in parameters}

    assert by_name["query"]["required"]
    assert by_name["limit"]["schema"]["maximum"] == 50
    assert not by_name["limit"]["required"]


def test_the_page_shows_every_operation_without_scripts(client, document):
    page = client.get("/api/docs")

    assert page.status_code == 200
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=.?(https?:)?//|url\(", page.text)
    for operation in operations(document):
        assert f'id="{operation["operationId"]}"' in page.text
    with client.get("/api/docs/docs.css") as sheet:
        assert sheet.status_code == 200


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_answers_to_generated_requests_conform_to_the_document(make_app):
    """Send generated valid and invalid requests to each operation; no answer may be undeclared or a server error."""
    app = make_app()
    tokens = register(app.test_client(), "alice")
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    ends_the_session = {"auth.logout", "auth.change_password", "sessions.revoke_session"}
    tried = set()

    for result in schema.get_all_operations():
        operation = result.ok()
        name = operation.definition.raw["operationId"]
        if name in ends_the_session:
            continue
        tried.add(name)

        @settings(
            max_examples=25,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def attempt(case):
            response = case.call(headers={**bearer(tokens), "Accept-Encoding": "identity"})
            case.validate_response(
                response,
                checks=[
                    schemathesis.checks.not_a_server_error,
                    schemathesis.specs.openapi.checks.response_schema_conformance,
                    schemathesis.specs.openapi.checks.content_type_conformance,
                    schemathesis.specs.openapi.checks.status_code_conformance,
                ],
            )

        given(case=operation.as_strategy())(attempt)()

    assert len(tried) > 10
