"""The AsyncAPI 3.1 document of the Socket.IO API, generated from the declarations of commands and events.

Operations with the action "receive" are commands, each with its ack as the reply; "send" are pushed events.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

import orjson
from flask import Blueprint, Response
from pydantic import BaseModel

import imapp
from imapp.cluster.bus.bus import NAMESPACE
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
from imapp.realtime.dispatch import COMMANDS, AnyCommand
from imapp.schemas.base import JsonObject
from imapp.schemas.json_schema import REF, Mode, Schemas, describe
from imapp.schemas.problems import AckFailure, ConnectRefused
from imapp.schemas.refusals import all_errors, codes_of

bp = Blueprint("asyncapi", __name__)

#: Seconds for which a client may cache the document without revalidating it.
_MAX_AGE = 300

_CHANNEL = "main"

#: The name of the message for a refused CONNECT.
_REFUSED = "connect_refused"

#: Errors that any command may be refused with.
_OF_ANY_COMMAND = (
    *(AppError, BinaryNotAllowedError, MalformedError, MessageTooLargeError, RateLimitedError, UnavailableError),
)


@bp.get("/api/asyncapi.json")
def serve() -> Response:
    """Serve the document. It is public: the commands are no secret."""
    return prepared("asyncapi", lambda: orjson.dumps(document()), "application/json", _MAX_AGE)


def document() -> JsonObject:
    """Describe every command, its ack and every pushed event."""
    schemas, definitions = describe(_models())
    acks = _acks(definitions)
    messages = dict(_messages(schemas))
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "imapp, Socket.IO",
            "version": imapp.__version__,
            "description": Path(__file__).with_name("protocol.md").read_text(),
            "contact": {"name": "The operator of this server"},
            "license": {"name": "MIT"},
            "tags": [{"name": "chat", "description": "Commands, their acks, and pushed events."}],
        },
        "servers": {
            "here": {
                "host": "localhost",
                "pathname": "/socket.io/",
                "protocol": "wss",
                "description": "The server that serves this document; without TLS the protocol is ws.",
            }
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
        "components": {"messages": messages, "schemas": _used({**definitions, **acks}, messages)},
        "x-error-codes": error_codes(),
    }


def _used(schemas: JsonObject, messages: JsonObject) -> JsonObject:
    """Return only the schemas that are referenced; answers are not, as the acks contain their fields."""
    text = orjson.dumps([schemas, messages]).decode()
    return {name: schema for name, schema in schemas.items() if f'"{REF.format(model=name)}"' in text}


def events(base: type[Event] = Event) -> Iterator[type[Event]]:
    """Yield all events that have a name, in the order of their declaration."""
    for event in base.__subclasses__():
        if "name" in vars(event):
            yield event
        yield from events(event)


def error_codes() -> dict[str, str]:
    """Return every error code with its message, in the order of their declaration."""
    return {code: error.message for code, error in all_errors().items()}


def refusals_of(command: AnyCommand) -> list[str]:
    """Return the sorted error codes that a command may be refused with."""
    codes = codes_of(command.name) | {error.code for error in _OF_ANY_COMMAND}
    if command.takes.model_fields:
        codes.add(InvalidInputError.code)
    return sorted(codes)


def _models() -> set[tuple[type[BaseModel], Mode]]:
    models: set[tuple[type[BaseModel], Mode]] = {(event, "serialization") for event in events()}
    models |= {(AckFailure, "serialization"), (ConnectRefused, "serialization")}
    for command in COMMANDS.values():
        models.add((command.takes, "validation"))
        if command.gives is not None:
            models.add((command.gives, "serialization"))
    return models


def _messages(schemas: Schemas) -> Iterator[tuple[str, JsonObject]]:
    for command in COMMANDS.values():
        yield command.name, _message(command.name, command.handler, schemas[command.takes, "validation"])
        name = f"{command.name}_ack"
        shown = {"$ref": REF.format(model=_ack_name(command))} if command.gives else {"$ref": REF.format(model="Done")}
        payload = {"oneOf": [shown, schemas[AckFailure, "serialization"]]}
        yield name, {"name": name, "summary": f"The ack of {command.name}.", "payload": payload}
    for event in events():
        yield event.name, _message(event.name, event, schemas[event, "serialization"])
    yield _REFUSED, _message(_REFUSED, ConnectRefused, schemas[ConnectRefused, "serialization"])


def _message(name: str, described: object, payload: JsonObject) -> JsonObject:
    return {"name": name, **_texts(described), "payload": payload}


def _texts(described: object) -> dict[str, str]:
    """Return the first line of a docstring as the summary, and all of it as the description."""
    text = inspect.getdoc(described) or ""
    return {"summary": text.partition("\n")[0], "description": text}


def _ack_name(command: AnyCommand) -> str:
    return "".join(part.capitalize() for part in command.name.split("_")) + "Ack"


def _acks(definitions: JsonObject) -> JsonObject:
    """Return the schemas of successful acks: flat objects with `ok` beside the fields of the answer."""
    ok = {"const": True, "description": "The command has succeeded."}
    done = {"title": "Done", "type": "object", "description": "Success.", "properties": {"ok": ok}, "required": ["ok"]}
    found: JsonObject = {"Done": done}
    for command in COMMANDS.values():
        if command.gives is not None:
            name, answer = _ack_name(command), definitions[command.gives.__name__]
            properties, required = {"ok": ok, **answer["properties"]}, ["ok", *answer.get("required", [])]
            found[name] = {**answer, "title": name, "properties": properties, "required": required}
    return found


def _operations() -> Iterator[tuple[str, JsonObject]]:
    channel = {"$ref": f"#/channels/{_CHANNEL}"}
    for command in COMMANDS.values():
        codes = refusals_of(command)
        texts = _texts(command.handler)
        texts["description"] += "\n\nRefused with: " + ", ".join(f"`{code}`" for code in codes) + "."
        reply = {"channel": channel, "messages": [_in_channel(f"{command.name}_ack")]}
        given = {"action": "receive", "channel": channel, **texts, "messages": [_in_channel(command.name)]}
        yield command.name, {**given, "reply": reply, "x-codes": codes}
    for name, described in [*((event.name, event) for event in events()), (_REFUSED, ConnectRefused)]:
        yield name, {"action": "send", "channel": channel, **_texts(described), "messages": [_in_channel(name)]}


def _in_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{_CHANNEL}/messages/{name}"}
