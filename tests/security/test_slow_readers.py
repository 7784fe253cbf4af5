"""A client that does not read an answer is disconnected, with one line in the log."""

import logging
import sys
import time

import pytest
from gevent import socket

from imapp.slow_readers import AnswerDeadline, NotTaken


def serve(environ, _start_response):
    """Send the whole answer at once, as gunicorn does."""
    environ["gunicorn.socket"].sendall(b"x" * 10_000_000)
    return []


def test_an_answer_that_the_client_does_not_read_times_out():
    ours, theirs = socket.socketpair()
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        AnswerDeadline(serve, 0, seconds=1)({"gunicorn.socket": ours}, None)

    assert 0.9 < time.monotonic() - began < 5
    ours.close()
    theirs.close()


@pytest.mark.parametrize(("error", "is_kept"), [(TimeoutError("timed out"), False), (OSError(5, "broken"), True)])
def test_gunicorns_traceback_of_the_timeout_is_replaced_by_one_log_line(error, is_kept, caplog):
    caplog.set_level(logging.INFO)
    try:
        raise error
    except OSError:
        record = logging.LogRecord("gunicorn.error", logging.ERROR, "", 1, "Socket error", (), sys.exc_info())

    assert NotTaken().filter(record) is is_kept
    assert ("answer_not_taken" in caplog.text) is not is_kept


def test_every_answer_of_the_app_has_a_deadline(client):
    class Socket:
        seconds = None

        def settimeout(self, seconds):
            self.seconds = seconds

    ours = Socket()

    client.get("/actuator/health", environ_base={"gunicorn.socket": ours})

    assert ours.seconds > 60
