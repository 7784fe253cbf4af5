"""PyMySQL connections that share a TLS context and, on request, take several statements at once.

PyMySQL creates a TLS context for each connection, even without TLS, and loads all certificates that the system trusts.
This takes tens of milliseconds of computing, during which no greenlet of the node runs. A crowd of clients that sync at
the same moment opens and drops dozens of connections.
"""

import ssl
from contextlib import suppress
from typing import Any

from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.err import Error

#: Execution option of SQLAlchemy: the list that receives the rows of each statement of a script.
RESULTS = "results"

#: Execution option of SQLAlchemy: the text of a script, with its values. It is not passed as the statement, because
#: SQLAlchemy's error messages contain the statement and are logged.
SCRIPT = "script"

_contexts: dict[str, ssl.SSLContext] = {}


class SharingConnection(Connection):
    """A connection that uses the TLS context of the first connection with the same TLS options."""

    #: Statements to send with the next COMMIT, in one round trip.
    before_commit = ""

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        key = repr(sorted(sslp.items())) if isinstance(sslp, dict) else ""
        if not key:
            return super()._create_ssl_ctx(sslp)  # type: ignore[misc, no-any-return]  # not in the stubs
        if key not in _contexts:
            _contexts[key] = super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # as above
        return _contexts[key]

    def commit(self) -> None:
        """Send the waiting statements and COMMIT; roll back on failure, since SQLAlchemy will not."""
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
    """Connect in place of SQLAlchemy (its event do_connect)."""
    return SharingConnection(*arguments, **options)


def connect_for_scripts(dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> SharingConnection:
    """Connect like `connect`, and allow texts of more than one statement."""
    options["client_flag"] = options.get("client_flag", 0) | CLIENT.MULTI_STATEMENTS
    return connect(dialect, record, arguments, options)


def run_script(cursor: Any, _statement: str, context: Any) -> bool:
    """Run a script and keep the rows of each statement (SQLAlchemy's event do_execute_no_params)."""
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
