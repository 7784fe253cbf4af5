"""The errors that a function of the server can raise, found by reading it and what it calls.

Too many rather than too few: every branch counts, also one that the caller never takes.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

from imapp.errors import AppError

#: What is looked into; the rest raises no refusals of its own.
_READ = ("imapp.services.", "imapp.schemas.", "imapp.cluster.limits", "imapp.api.", "imapp.realtime.")


def errors_of(function: Any) -> set[type[AppError]]:
    """All classes of refusals that `function` or anything that it mentions constructs or raises."""
    found: set[type[AppError]] = set()
    seen: set[Any] = set()
    waiting = [function]
    while waiting:
        thing = waiting.pop()
        if thing in seen:
            continue
        seen.add(thing)
        for mentioned in _mentions(thing):
            if isinstance(mentioned, type) and issubclass(mentioned, AppError):
                found.add(mentioned)
            elif (getattr(mentioned, "__module__", None) or "").startswith(_READ):
                waiting.append(mentioned)
    return found


@cache
def _mentions(thing: Any) -> tuple[Any, ...]:
    """The classes and functions that a function mentions, or those of all methods of a class."""
    if isinstance(thing, type):
        methods = [getattr(value, "fget", value) for base in thing.__mro__ for value in vars(base).values()]
        return tuple(method for method in methods if isinstance(inspect.unwrap(method), FunctionType)) if methods else ()
    function = inspect.unwrap(thing)
    if not isinstance(function, FunctionType):
        return ()
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    known = {**function.__globals__, **_arguments(function)}
    return tuple(_resolved(tree, known))


def _arguments(function: FunctionType) -> dict[str, Any]:
    """Names of arguments whose class is declared: their methods can be found."""
    names = {name: function.__globals__.get(hint, hint) for name, hint in function.__annotations__.items()}
    return {name: hint for name, hint in names.items() if isinstance(hint, type)}


def _resolved(tree: ast.AST, known: dict[str, Any]) -> Iterator[Any]:
    passed = {id(h.type) for h in ast.walk(tree) if isinstance(h, ast.ExceptHandler)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in passed:
            value = _value(node, known)
            if isinstance(value, FunctionType | type) or callable(value) and hasattr(value, "__wrapped__"):
                yield value


def _value(node: ast.AST, known: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, known)
        if isinstance(owner, ModuleType | type):
            return inspect.getattr_static(owner, node.attr, None)
    return None
