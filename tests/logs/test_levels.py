"""Levels can be changed while the process runs, and are restored."""

import logging

import pytest

from imapp.logs.levels import Levels
from tests.support.ports import wait_for


@pytest.fixture
def levels():
    """Provide `Levels`, and restore the loggers' levels after the test."""
    before = {name: logging.getLogger(name).level for name in ("", "imapp", "imapp.test")}
    yield Levels()
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_a_level_is_restored_when_its_time_is_over(levels):
    own = logging.getLogger("imapp.test")
    own.setLevel("ERROR")
    levels.change("INFO", "imapp.test", 0.05)
    levels.change("DEBUG", "imapp.test", 0.05)
    changed = own.level

    wait_for(lambda: levels.restore_due() or own.level == logging.ERROR, what="the restoration of the level")

    assert changed == logging.DEBUG


def test_a_level_without_a_time_limit_stays(levels):
    levels.change("DEBUG", "imapp.test", 0)
    levels.restore_due()

    assert logging.getLogger("imapp.test").level == logging.DEBUG


def test_a_logger_without_a_level_has_none_again_afterwards(levels):
    levels.change("DEBUG", "imapp.test", 0.01)

    wait_for(
        lambda: levels.restore_due() or logging.getLogger("imapp.test").level == logging.NOTSET, what="its removal"
    )


def test_a_signal_turns_debug_on_and_off(levels):
    before = logging.getLogger().level

    levels.toggle_debug(600)
    on = logging.getLogger().level
    levels.toggle_debug(600)

    assert on == logging.DEBUG
    assert logging.getLogger().level == before


@pytest.mark.parametrize(
    ("level", "name"), [("LOUD", ""), ("DEBUG", "sqlalchemy.engine"), ("DEBUG", "engineio.server"), ("DEBUG", "imappx")]
)
def test_unknown_levels_and_loggers_that_log_contents_are_refused(levels, level, name):
    with pytest.raises(ValueError, match="no such"):
        levels.change(level, name, 1)
