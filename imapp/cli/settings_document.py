"""The text of docs/settings.md: a table for each chapter of the settings."""

from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from imapp.settings import PROJECT, Settings, allowed_values


def document() -> str:
    """Return the document in Markdown, without the last line's end."""
    lines = [
        "# Settings\n",
        "A node reads its settings from environment variables when it starts. For an unknown `IM_` variable or an",
        "unusable value it prints a line to standard error and exits with code 2. `flask im settings` prints the",
        "current values.",
    ]
    for chapter in Settings.chapters():
        lines.append(f"\n## {chapter.title}\n\n| variable | default | allowed | meaning |\n|---|---|---|---|")
        lines += [
            f"| `{Settings.variable(name)}` | {_default(info)} | {allowed_values(info)} | {info.description} |"
            for name, info in chapter.model_fields.items()
        ]
    return "\n".join(lines)


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is PydanticUndefined or value is None or value == ():
        return ""
    if isinstance(value, bool):
        value = "on" if value else "off"
    return f"`{value.relative_to(PROJECT)}/`" if isinstance(value, Path) else f"`{value}`"
