"""Write imapp/schemas/refusals.json: the error codes with which each REST operation and command may be refused.

    .venv/bin/python -m tests.support.raised

The codes are found in the source: a function may raise the errors that it constructs and those of all functions and
classes that it mentions, without the errors that it catches. The result may have too many codes, but none is missing:
every branch counts, even one that a caller never takes. A test compares the file with the code.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import orjson

import imapp.schemas
from imapp.api import BLUEPRINTS
from imapp.api.http.endpoint import Endpoint
from imapp.errors import AppError
from imapp.realtime.commands import register_commands
from imapp.realtime.dispatch import COMMANDS

FILE = Path(imapp.schemas.__file__).with_name("refusals.json")

#: Modules that are read; others have no refusals of their own.
_READ = ("imapp.services.", "imapp.schemas.", "imapp.cluster.limits", "imapp.api.", "imapp.realtime.")


@dataclass
class Read:
    """The result of reading one function or class."""

    mentions: tuple[Any, ...]
    caught: tuple[type[AppError], ...]
    raises: frozenset[type[AppError]]


def refusals() -> dict[str, list[str]]:
    """Return the codes by operation (`messages.send_message`) and command (`send_message`)."""
    register_commands()
    doors = {name: command.handler for name, command in COMMANDS.items()} | dict(_views())
    read: dict[Any, Read] = {}
    waiting = list(doors.values())
    while waiting:
        thing = waiting.pop()
        if thing not in read:
            read[thing] = _read(thing)
            waiting += read[thing].mentions
    _spread(read)
    return {name: sorted({error.code for error in read[doors[name]].raises}) for name in sorted(doors)}


def _views() -> Iterator[tuple[str, Any]]:
    for name in BLUEPRINTS:
        module = import_module(f"imapp.api.{name}")
        for view in vars(module).values():
            if isinstance(view, Endpoint):
                yield f"{module.bp.name}.{view.view.__name__}", view.view


def _spread(read: dict[Any, Read]) -> None:
    """Add to each function the errors of the functions that it mentions, until nothing changes."""
    is_new = True
    while is_new:
        is_new = False
        for one in read.values():
            found = one.raises.union(*(read[thing].raises for thing in one.mentions))
            found = frozenset(error for error in found if not issubclass(error, one.caught))
            is_new = is_new or found != one.raises
            one.raises = found


def _read(thing: Any) -> Read:
    if isinstance(thing, type):
        values = [getattr(value, "fget", value) for base in thing.__mro__ for value in vars(base).values()]
        return Read(tuple(value for value in values if _is_read(value)), (), frozenset())
    function = inspect.unwrap(thing)
    if not isinstance(function, FunctionType) or not function.__code__.co_filename.endswith(".py"):
        return Read((), (), frozenset())
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    known = {**function.__globals__, **{n: h for n, h in function.__annotations__.items() if isinstance(h, type)}}
    caught = [_value(kind, known) for kind in _caught(tree)]
    mentioned = [_value(node, known) for node in _used(tree)]
    return Read(
        tuple(value for value in mentioned if _is_read(value)),
        tuple(error for error in caught if error is AppError or _is_error(error)),
        frozenset(error for error in mentioned if _is_error(error)),
    )


def _is_error(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, AppError) and value is not AppError


def _is_read(value: Any) -> bool:
    wrapped = inspect.getattr_static(value, "__wrapped__", None)  # not getattr: flask's proxies would look for an app
    is_code = isinstance(value, FunctionType | type) or isinstance(wrapped, FunctionType)
    return is_code and (getattr(value, "__module__", None) or "").startswith(_READ)


def _caught(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the classes that handlers catch without raising again."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ExceptHandler)
            and node.type
            and not any(isinstance(n, ast.Raise) for n in ast.walk(node))
        ):
            yield from node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]


def _used(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield names and attributes, except in decorators and in the classes that handlers catch."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name | ast.Attribute):
            yield node
        skipped = [*getattr(node, "decorator_list", []), getattr(node, "type", None)]
        waiting += [child for child in ast.iter_child_nodes(node) if child not in skipped]


def _value(node: ast.AST, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, known)
        if isinstance(owner, ModuleType | type):
            return inspect.getattr_static(owner, node.attr, None)
    return None


def text() -> bytes:
    """Return the expected contents of the file."""
    return orjson.dumps(refusals(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    FILE.write_bytes(text())
