"""PyMySQL's connections, which share a TLS context, and take several statements at once where that is asked for.

PyMySQL makes a context for each connection, TLS or not, and with it reads all certificates that the system trusts:
tens of milliseconds of computing, in which no greenlet of the node runs. A crowd that syncs at one moment opens and
drops connections by the dozen.
"""

import ssl
from contextlib import suppress
from typing import Any

from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.err import Error

#: Execution option of SQLAlchemy: the list that takes the rows of each statement of a text.
RESULTS = "results"

#: Execution option of SQLAlchemy: the text itself, with the values in it. Not given as the statement, which stands in
#: the texts of SQLAlchemy's errors, which are logged.
SCRIPT = "script"

_contexts: dict[str, ssl.SSLContext] = {}


class SharingConnection(Connection):
    """A connection that takes the context of the first one with the same TLS options."""

    #: Statements that go out with the next COMMIT, in one round trip.
    before_commit = ""

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        key = repr(sorted(sslp.items())) if isinstance(sslp, dict) else ""
        if not key:
            return super()._create_ssl_ctx(sslp)  # type: ignore[misc, no-any-return]  # not in the stubs
        if key not in _contexts:
            _contexts[key] = super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # as above
        return _contexts[key]

    def commit(self) -> None:
        """Send what waits for it, and COMMIT; what fails is rolled back, for SQLAlchemy takes it for ended."""
        statements, self.before_commit = self.before_commit, ""
        if not statements:
            super().commit()
            return
        try:
            _run(self.cursor(), statements + ";COMMIT")
        except Error:
            with suppress(Error):  # a dead connection has nothing to roll back
                self.rollback()
            raise


def connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> SharingConnection:
    """Connect in SQLAlchemy's stead (its event do_connect)."""
    return SharingConnection(*arguments, **options)


def connect_for_scripts(dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> SharingConnection:
    """The same, for texts of more than one statement."""
    options["client_flag"] = options.get("client_flag", 0) | CLIENT.MULTI_STATEMENTS
    return connect(dialect, record, arguments, options)


def run_script(cursor: Any, _statement: str, context: Any) -> bool:
    """Run a text of statements, and keep the rows of each (SQLAlchemy's event do_execute_no_params)."""
    results = context.execution_options.get(RESULTS)
    if results is None:
        return False
    results += _run(cursor, context.execution_options[SCRIPT])
    return True


def _run(cursor: Any, statements: str) -> list[Any]:
    cursor.execute(statements)
    results = [cursor.fetchall()]
    while cursor.nextset():
        results.append(cursor.fetchall())
    return results
