"""Variants of a model that depend on one field: the documents show every known variant, the code has one class.

Each variant fixes that field to one value, by which generated clients tell the variants apart. Answers have one more
variant for values that a client does not know yet.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue, create_model

#: The variants that the documents show in place of a model.
VARIANTS: dict[type[BaseModel], list[type[BaseModel]]] = {}


def vary(base: type[BaseModel], name: str, tag: str, carrier: str, shapes: dict[str, Any]) -> None:
    """Declare the variants of `base`: for each value of the field `tag`, the type of the field `carrier`.

    `name` is a pattern of the variants' names, such as "{}Message".
    """
    VARIANTS[base] = [
        make(base, name.format(_camel(value)), f"`{tag}` is `{value}`.", **{tag: Literal[value], carrier: shape})
        for value, shape in shapes.items()
    ]


def add_other(base: type[BaseModel], name: str, tag: str, carrier: str | None = None) -> None:
    """Declare the variant for values that this version does not know: clients must ignore it, not fail."""
    known = [variant.model_fields[tag].annotation.__args__[0] for variant in VARIANTS[base]]  # type: ignore[union-attr]  # Literal
    unknown = Annotated[str, Field(json_schema_extra={"not": {"enum": known}})]
    fields = {tag: unknown} | ({carrier: dict[str, JsonValue]} if carrier else {})
    VARIANTS[base].append(make(base, name, "A variant that a newer server may send: ignore it.", **fields))


def make(base: type[BaseModel], name: str, doc: str, **fields: Any) -> type[BaseModel]:
    """Return a subclass of `base` with these fields replaced."""
    given: Any = {field: (kind, ...) for field, kind in fields.items()}
    return create_model(name, __base__=base, __doc__=doc, **given)


def _camel(value: str) -> str:
    return "".join(part.capitalize() for part in value.split("_"))
