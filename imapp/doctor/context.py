"""The subject of the doctor's checks: the settings and environment of one node, and the options of the command."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import Flask

from imapp.node import node_of

if TYPE_CHECKING:
    from imapp.settings import Settings

T = TypeVar("T")

PROJECT = Path(__file__).resolve().parents[2]


class Context:
    """The input of all checks, and the data that they share.

    `nginx`: a file, a folder, or `-`. `url`: the address that clients use. `project`: the folder of the code.
    """

    def __init__(
        self, app: Flask, *, nginx: str | None = None, url: str | None = None, project: Path = PROJECT
    ) -> None:
        self.app = app
        self.settings: Settings = node_of(app).settings
        self.nginx = nginx
        self.url = url.rstrip("/") if url else None
        self.project = project
        self._turn = threading.Lock()
        self._results: dict[Hashable, Future[Any]] = {}

    def once(self, read: Callable[["Context"], T]) -> T:
        """Call `read` once for all checks; return its result or raise its exception for each of them."""
        with self._turn:
            is_first = read not in self._results
            future = self._results.setdefault(read, Future())
        if is_first:
            try:
                future.set_result(read(self))
            except Exception as exc:  # noqa: BLE001 - it is raised below, for each caller
                future.set_exception(exc)
        return cast("T", future.result())
