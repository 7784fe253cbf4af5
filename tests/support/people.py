"""Users made directly by the services, and actions at the same moment."""

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask

from imapp.database.transactions import atomic
from imapp.errors import AppError
from imapp.services.accounts import users
from imapp.services.accounts.passwords import NO_PASSWORD


def create_users(*names: str) -> list[int]:
    """Make accounts without a usable password; return their ids. Needs an app context."""
    return [atomic(_create, name) for name in names]


def _create(session: Any, name: str) -> int:
    fields = {"username": name, "username_key": name, "nickname": name, "password_hash": NO_PASSWORD}
    return users.create_user(session, fields).id


def at_once(app: Flask, *actions: Callable[[], Any]) -> list[Any]:
    """Run the actions in threads that start together; return each one's result, or the AppError that it raised."""
    start = threading.Barrier(len(actions))
    outcomes: list[Any] = [None] * len(actions)

    def run(index: int) -> None:
        with app.app_context():
            start.wait(10)
            try:
                outcomes[index] = actions[index]()
            except AppError as exc:
                outcomes[index] = exc

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes
