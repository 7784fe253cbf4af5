"""JSON Schema of the wire format, for OpenAPI, AsyncAPI and the clients that are generated from them.

Two rules protect generated clients. A request's schema never states a `default`: generators send it, or require the
field. An answer's schema stays open: unknown fields are allowed, and an enumeration lists the known values in
`x-extensible-enum`, so that a newer server does not break an older client.
"""

from collections.abc import Iterable
from typing import Any, Literal, cast

import orjson
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from imapp.schemas.glossary import MEANINGS
from imapp.schemas.variants import VARIANTS

REF = "#/components/schemas/{model}"

Mode = Literal["validation", "serialization"]

#: (model, mode) -> reference to its schema.
Schemas = dict[tuple[type[BaseModel], Mode], dict[str, Any]]

#: Integers that may exceed this get the format `int64`; a client must not read them into 32 bits.
_INT32_MAX = 2**31 - 1


class WireSchema(GenerateJsonSchema):
    """The schema generator that follows the two rules."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles that only repeat the field's name."""
        return False

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """Mark 64-bit integers."""
        described = super().int_schema(schema)
        if schema.get("le", schema.get("lt", _INT32_MAX + 1)) > _INT32_MAX:
            described["format"] = "int64"
        return described

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """Keep the enumerations of answers open."""
        described = super().literal_schema(schema)
        if self.mode == "serialization" and "enum" in described:
            described["x-extensible-enum"] = described.pop("enum")
        return described

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Move the default of a request's field to `x-default`; `model_schema` states it in words."""
        described = super().default_schema(schema)
        default = described.pop("default", None)
        if self.mode == "validation" and default not in (None, "", [], {}):
            described["x-default"] = default
        return described

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Leave answers open; describe a model with variants as any of them, and fields from the glossary."""
        model = cast("type[BaseModel]", schema["cls"])
        described = super().model_schema(schema)
        if self.mode == "serialization" and described.get("additionalProperties") is False:
            del described["additionalProperties"]
        if model in VARIANTS:
            shown = [self.generate_inner(variant.__pydantic_core_schema__) for variant in VARIANTS[model]]
            return {"title": described["title"], "description": described.get("description", ""), "anyOf": shown}
        for name, field in described.get("properties", {}).items():
            text = field.get("description") or meaning(model, name)
            default = field.pop("x-default", None)
            if default is not None:
                text = f"{text or ''} Default: {orjson.dumps(default).decode()}.".strip()
            if text:
                field["description"] = text
        return described


def meaning(model: type[BaseModel] | None, name: str) -> str:
    """Return the glossary's text for a field of a model, or else for the name alone; empty if there is none."""
    own = (MEANINGS.get(f"{kind.__name__}.{name}") for kind in (model.__mro__ if model else ()))
    return next(filter(None, own), MEANINGS.get(name, ""))


def describe(models: Iterable[tuple[type[BaseModel], Mode]]) -> tuple[Schemas, dict[str, Any]]:
    """Return a reference for each model, and the definitions that the references lead to."""
    wanted = sorted(set(models), key=str)
    found = models_json_schema(wanted, ref_template=REF, schema_generator=WireSchema)
    # A model for both directions has two schemas; the answer's schema keeps the name.
    text = orjson.dumps([[*found[0].values()], found[1]]).decode()
    references, definitions = orjson.loads(text.replace('-Output"', '"').replace('-Input"', 'In"'))
    schemas = definitions.get("$defs", {})
    for name, schema in schemas.items():
        schema["title"] = name  # some generators use it as the name of their class
        schema.setdefault("description", "Any JSON value.")  # pydantic's JsonValue is the only one without
    return dict(zip(cast(Any, found[0]), references, strict=True)), schemas
