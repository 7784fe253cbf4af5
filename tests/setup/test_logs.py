"""How gunicorn.conf.py writes log lines: what they quote can't forge one."""

import logging
import re
import resource
import runpy
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def formatter(monkeypatch, tmp_path) -> logging.Formatter:
    """The formatter of the server's log."""
    monkeypatch.setenv("IM_DATA_DIR", str(tmp_path))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    loaded = runpy.run_path(str(PROJECT / "gunicorn.conf.py"))
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    line = dict(loaded["logconfig_dict"]["formatters"]["line"])
    return line.pop("()")(**line)


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    caught = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("imapp.test", logging.INFO, __file__, 1, message, args, caught)


def test_a_line_says_when_how_bad_and_where_from(formatter):
    line = formatter.format(record("user %s logged in", 7))

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO imapp.test: user 7 logged in", line)


@pytest.mark.parametrize("quoted", ["a\nb", "a\r\nb", "a\u2028b", "a\x85b", "a\x1b[31mb", "a\x00b", "a\x0bb"])
def test_control_characters_are_escaped(formatter, quoted):
    line = formatter.format(record("name %s", quoted))

    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_a_traceback_cannot_pass_for_a_record(formatter):
    try:
        raise ValueError("x\n2026-01-01T00:00:00.000Z INFO imapp: forged")
    except ValueError:
        lines = formatter.format(record("failed", error=sys.exception())).split("\n")

    assert all(line.startswith("    ") for line in lines[1:])
