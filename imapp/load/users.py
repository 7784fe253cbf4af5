"""The users of a test: a file with one line for each user, as `flask im load-fixture` writes it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imapp.load.errors import MisuseError


@dataclass(frozen=True)
class User:
    """A user: access token, user id, and the conversation of one of the user's groups, if any."""

    token: str
    id: int
    conversation_id: int | None


def read(path: Path, count: int) -> list[User]:
    """Return the first `count` users of the file; raises MisuseError."""
    try:
        with path.open(encoding="ascii") as file:
            users = [_user(line) for line, _ in zip(file, range(count), strict=False)]
    except OSError as exc:
        raise MisuseError(f"{path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise MisuseError(f"{path}: each line must be: access token, user id, conversation id or -") from exc
    if len(users) < count:
        raise MisuseError(f"{path} has {len(users)} users, {count} connections need one each")
    return users


def _user(line: str) -> User:
    token, user_id, conversation_id = line.split()
    return User(token, int(user_id), None if conversation_id == "-" else int(conversation_id))


def write(path: Path, users: Iterable[User]) -> None:
    """Create the file, readable by its owner only; raises MisuseError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        raise MisuseError(f"{path} exists: use it without --register, or name another file") from exc
    except OSError as exc:
        raise MisuseError(f"{path}: {exc.strerror}") from exc
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.writelines(f"{user.token} {user.id} {user.conversation_id or '-'}\n" for user in users)


def groups_of(users: list[User]) -> dict[int, list[int]]:
    """Return the groups of the file by conversation id, each as a list of its members' indexes in `users`."""
    found: dict[int, list[int]] = {}
    for place, user in enumerate(users):
        if user.conversation_id is not None:
            found.setdefault(user.conversation_id, []).append(place)
    return {conversation_id: members for conversation_id, members in found.items() if len(members) > 1}
