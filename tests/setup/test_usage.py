"""The scripts' answers to `--help` and to unknown arguments: neither starts anything."""

import subprocess

import pytest

from tests.support.server import ROOT

SCRIPTS = ["run", "check", "setup", "start-cluster", "stop-cluster", "status-cluster", "restart-cluster"]


def call(name, *arguments):
    """Call a script from another folder, as an operator may."""
    command = [ROOT / f"scripts/{name}.sh", *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_is_the_comment_at_the_top(name):
    answer = call(name, "--help")

    header = (ROOT / f"scripts/{name}.sh").read_text().partition("set -euo")[0].splitlines()[1:]
    assert answer.returncode == 0
    assert answer.stdout.splitlines() == [line.removeprefix("#").removeprefix(" ") for line in header]
    assert f"Usage: scripts/{name}.sh" in answer.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_unknown_argument_is_refused_with_the_usage(name):
    answer = call(name, "--nonsense")

    assert (answer.returncode, answer.stdout) == (2, "")
    assert f"{name}.sh: unknown argument: --nonsense" in answer.stderr
    assert f"Usage: scripts/{name}.sh" in answer.stderr
