"""The text of docs/settings.md: a table for each chapter of the settings."""

from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from imapp.settings import PROJECT, Settings, allowed_values


def document() -> str:
    """Return the document in Markdown, without the last line's end."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Settings\n"
    yield "A node reads its settings from environment variables when it starts. For an unknown `IM_` variable or an"
    yield "unusable value it prints a line to standard error and exits with code 2. `flask im settings` prints the"
    yield "current values."
    for chapter in Settings.chapters():
        yield f"\n## {chapter.title}\n\n| variable | default | allowed | meaning |\n|---|---|---|---|"
        for name, info in chapter.model_fields.items():
            yield f"| `{Settings.variable(name)}` | {_default(info)} | {allowed_values(info)} | {info.description} |"


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is PydanticUndefined or value is None or value == ():
        return ""
    if isinstance(value, bool):
        value = "on" if value else "off"
    return f"`{value.relative_to(PROJECT)}/`" if isinstance(value, Path) else f"`{value}`"
