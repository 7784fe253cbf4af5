"""The Lua scripts that Redis runs, a file for each. A script's header names its KEYS, its ARGV and what it returns."""

from pathlib import Path


def load(*names: str) -> str:
    """Return one script made of these files in order: first the shared parts that the last one uses."""
    return "".join(Path(__file__).with_name(f"{name}.lua").read_text("utf-8") for name in names)
