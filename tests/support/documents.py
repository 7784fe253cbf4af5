"""A check that both documents of the API must pass."""


def undescribed(schemas: dict[str, dict]) -> list[str]:
    """Return schemas and fields without a description, which belongs in the class or in schemas/glossary.py."""
    fields = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, shown in schema.get("properties", {}).items()
        if not shown.get("description")
    ]
    return [name for name, schema in schemas.items() if not schema.get("description")] + fields
