"""A whole load test: users, groups, the run, and the report files."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from imapp.load import page, rest, users
from imapp.load.connections import allow_files
from imapp.load.errors import MisuseError
from imapp.load.json import JsonObject
from imapp.load.options import Options
from imapp.load.report import report
from imapp.load.runner import Runner
from imapp.load.screen import Screen, text

__all__ = ["Options", "run", "text"]

Tell = Callable[[str], None]

#: Number of new accounts between two progress lines.
_EVERY = 50


def run(options: Options, html: Path | None, json_file: Path | None, tell: Tell) -> JsonObject:
    """Run the test and write the report files; raises MisuseError and LoadError."""
    options.check()
    if html is not None:
        page.vendor()  # fails before the test, not after it
    allow_files(options.connections)
    server = rest.Rest(options.urls[0], options.ca)
    if options.register:
        _register(server, options, tell)
    people = users.read(options.users_file, options.connections)
    groups = _groups(server, options, people, tell)
    with Screen(options.connections) as screen:
        found = report(asyncio.run(Runner(options, people, groups, screen.show).run()))
    _write(json_file, json.dumps(found, indent=1))
    if html is not None:
        _write(html, page.page(found))
    return found


def _register(server: rest.Rest, options: Options, tell: Tell) -> None:
    tell(f"creating {options.connections} accounts: slow, because of password hashing and rate limits")

    def count(number: int) -> None:
        if number % _EVERY == 0:
            tell(f"{number} accounts")

    users.write(options.users_file, rest.register(server, options.connections, count))


def _groups(server: rest.Rest, options: Options, people: list[users.User], tell: Tell) -> dict[int, list[int]]:
    """Return the groups of the users' file, and create missing ones with users in turn."""
    found = dict(list(users.groups_of(people).items())[: options.groups])
    missing = options.groups - len(found)
    if missing:
        tell(f"creating {missing} groups of {options.group_size}")
    for number in range(missing):
        places = [(number * options.group_size + offset) % len(people) for offset in range(options.group_size)]
        found[rest.make_group(server, [people[place] for place in places])] = places
    return found


def _write(path: Path | None, words: str) -> None:
    if path is not None:
        try:
            path.write_text(words, encoding="utf-8")
        except OSError as exc:
            raise MisuseError(f"{path}: {exc.strerror}") from exc
