"""The AsyncAPI 3.0 document of the Socket.IO door, written from the declarations of commands and events.

"receive" is what this server receives (commands, each with its ack as the reply), "send" what it pushes.
"""

from collections.abc import Iterator
from typing import Any

import orjson
from flask import Blueprint, Response
from pydantic import BaseModel

import imapp
from imapp.cluster.bus import NAMESPACE
from imapp.errors import (
    AppError,
    BinaryNotAllowedError,
    InvalidInputError,
    MalformedError,
    MessageTooLargeError,
    RateLimitedError,
    UnavailableError,
)
from imapp.events import Event
from imapp.prepared import prepared
from imapp.realtime.dispatch import COMMANDS, Command
from imapp.schemas.json_schema import REF, Mode, Schemas, WireSchema, describe
from imapp.schemas.problems import AckFailure
from imapp.schemas.refusals import all_errors, codes_of

bp = Blueprint("asyncapi", __name__)

#: Seconds that a client may use the document without asking whether it is still the same.
_MAX_AGE = 300

_CHANNEL = "main"

#: Refusals that any command may meet.
_OF_ANY_COMMAND = (
    *(AppError, BinaryNotAllowedError, MalformedError, MessageTooLargeError, RateLimitedError, UnavailableError),
)


@bp.get("/api/asyncapi.json")
def serve() -> Response:
    """Serve the document; public, as the commands are no secret."""
    return prepared("asyncapi", lambda: orjson.dumps(document()), "application/json", _MAX_AGE)


def document() -> dict[str, Any]:
    """Describe every command, its ack and every pushed event."""
    schemas, definitions = describe(_models())
    messages = dict(_messages(schemas))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "imapp, Socket.IO",
            "version": imapp.__version__,
            "description": "Socket.IO v5 at /socket.io/; the access token travels in the auth payload {token}.",
        },
        "defaultContentType": "application/json",
        "channels": {
            _CHANNEL: {
                "address": NAMESPACE,
                "description": "The default Socket.IO namespace; a message's name is the event's name.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": dict(_operations()),
        "components": {"messages": messages, "schemas": definitions},
        "x-error-codes": error_codes(),
    }


def events(base: type[Event] = Event) -> Iterator[type[Event]]:
    """All events that have a name, in the order of their declaration."""
    for event in base.__subclasses__():
        if "name" in vars(event):
            yield event
        yield from events(event)


def error_codes() -> dict[str, str]:
    """Every error code with its message, in the order of their declaration."""
    return {code: error.message for code, error in all_errors().items()}


def refusals_of(command: Command) -> list[str]:
    """The codes in the ack of a command that is refused."""
    codes = codes_of(command.name) | {error.code for error in _OF_ANY_COMMAND}
    if command.takes.model_fields:
        codes.add(InvalidInputError.code)
    return sorted(codes)


def _models() -> set[tuple[type[BaseModel], Mode]]:
    models: set[tuple[type[BaseModel], Mode]] = {(event, "serialization") for event in events()}
    models.add((AckFailure, "serialization"))
    for command in COMMANDS.values():
        models.add((command.takes, "validation"))
        if command.gives is not None:
            models.add((command.gives, "serialization"))
    return models


def _messages(schemas: Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    for command in COMMANDS.values():
        yield command.name, _message(command.name, command.summary, schemas[command.takes, "validation"])
        yield f"{command.name}_ack", _message(command.name, "The ack.", _ack(command, schemas))
    for event in events():
        summary = (event.__doc__ or "").strip().partition("\n")[0]
        yield event.name, _message(event.name, summary, schemas[event, "serialization"])


def _message(name: str, summary: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "summary": summary, "payload": payload}


def _ack(command: Command, schemas: Schemas) -> dict[str, Any]:
    """An ack is flat: `ok` beside the fields of the answer, or `ok` false with the error."""
    ok = {"type": "object", "properties": {"ok": {"const": True}}, "required": ["ok"]}
    success: dict[str, Any] = ok
    if command.gives is not None:
        answer = command.gives.model_json_schema(mode="serialization", ref_template=REF, schema_generator=WireSchema)
        answer.pop("$defs", None)
        success = {
            **answer,
            "properties": {**ok["properties"], **answer.get("properties", {})},  # type: ignore[dict-item]  # a dict
            "required": ["ok", *answer.get("required", [])],
        }
    return {"oneOf": [success, schemas[AckFailure, "serialization"]]}


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{_CHANNEL}"}
    for command in COMMANDS.values():
        reply = {"channel": channel, "messages": [_in_channel(f"{command.name}_ack")]}
        yield (
            command.name,
            {
                "action": "receive",
                "channel": channel,
                "summary": command.summary,
                "messages": [_in_channel(command.name)],
                "reply": reply,
            },
        )
    for event in events():
        yield event.name, {"action": "send", "channel": channel, "messages": [_in_channel(event.name)]}


def _in_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{_CHANNEL}/messages/{name}"}
