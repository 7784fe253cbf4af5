"""Warnings and uncaught errors are logged like all other lines."""

import json
import subprocess
import sys

from tests.support.server import ROOT

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import sys, threading, warnings, gevent
from logging.config import dictConfig
from imapp.settings import Settings
from imapp.logs.setup import NodeLogs, config
settings = Settings(secret_key="k" * 32, log_format="json")
dictConfig(config(settings, {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}))
NodeLogs(settings).start()
def fail(secret):
    raise RuntimeError("a bug")
warnings.warn("old\\n thing")
gevent.spawn(fail, "the words").join()
threading.Thread(target=fail, args=["the words"]).start()
gevent.get_hub().loop.run_callback(fail, "the words")
gevent.sleep(0.1)
"""


def test_warnings_and_uncaught_errors_are_logged_without_their_arguments():
    ran = subprocess.run(
        [sys.executable, "-W", "always", "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["logger"] for line in lines] == ["py.warnings", *["imapp.logs.uncaught"] * 3]
    assert [line["event"] for line in lines[1:]] == ["greenlet_failed", "thread_failed", "greenlet_failed"]
    assert all("RuntimeError: a bug" in line["exception"] for line in lines[1:])
    assert "the words" not in ran.stderr
