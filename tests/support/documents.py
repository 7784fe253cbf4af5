"""What both documents of the API have to keep to."""


def undescribed(schemas: dict[str, dict]) -> list[str]:
    """Schemas and fields without a description: say it in the class, or once for all in schemas/glossary.py."""
    fields = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, shown in schema.get("properties", {}).items()
        if not shown.get("description")
    ]
    return [name for name, schema in schemas.items() if not schema.get("description")] + fields
