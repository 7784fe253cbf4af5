"""`scripts/run.sh` on a machine with nothing but Python: real installation, real server, real signals."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.copies import copy_project
from tests.support.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROJECT = Path(__file__).resolve().parents[2]
NOBODY = 65534
#: Seconds until a first start serves: it downloads some 40 packages.
FIRST_START = 300
START = 30
STOP = 20


@dataclass
class Run:
    """One run of run.sh as from a terminal: in its own process group, so that Ctrl-C reaches every process."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.port = int(self.variables.setdefault("PORT", str(free_port())))
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*self.prefix, "./scripts/run.sh"],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_until_it_serves(self, seconds: float) -> float:
        """Wait until the server answers; return the seconds since the start."""
        while time.monotonic() - self.started < seconds and self.process.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/actuator/health", timeout=2) as answer:
                    assert answer.status == 200
                return time.monotonic() - self.started
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"run.sh does not serve: {self.end(signal.SIGKILL)}")

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Send the signal to the group, as a terminal does; return exit code, output and errors."""
        if number and self.process.poll() is None:
            os.killpg(self.process.pid, number)
        out, err = self.process.communicate(timeout=STOP if number else FIRST_START)
        return self.process.returncode, out, err


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone that was never started."""
    return copy_project(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run a clone on its first start, and yield it when it serves."""
    run = Run(copy_project(tmp_path_factory.mktemp("clone")))
    try:
        seconds = run.wait_until_it_serves(FIRST_START)
        sys.stdout.write(f"first start: {seconds:.1f} s\n")
        yield run
    finally:
        run.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def clone(first_start: Run) -> Path:
    """Return a clone that was started and stopped once."""
    first_start.end(signal.SIGINT)
    return first_start.folder


# -- starting and stopping -------------------------------------------------------------------------------------


def test_the_first_start_generates_a_secret_that_only_the_owner_can_read(clone: Path) -> None:
    file = clone / "instance/secrets.env"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(r"SECRET_KEY=\S{64}\n", file.read_text())


def test_the_database_is_readable_by_its_owner_only(clone: Path) -> None:
    assert stat.S_IMODE((clone / "instance/imapp.db").stat().st_mode) == 0o600


def test_the_modules_of_the_page_are_readable_by_a_web_server(clone: Path) -> None:
    vendor = clone / "web" / "vendor"

    assert all(path.stat().st_mode & stat.S_IROTH for path in [vendor, *vendor.iterdir()])


def test_a_second_start_installs_nothing_and_serves_soon(clone: Path) -> None:
    run = Run(clone)

    seconds = run.wait_until_it_serves(START)
    _, out, _ = run.end(signal.SIGINT)

    sys.stdout.write(f"second start: {seconds:.2f} s\n")
    assert out == f"Starting imapp on http://127.0.0.1:{run.port} (Ctrl-C stops it) ...\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_every_stop_signal_ends_the_server_cleanly(clone: Path, number: signal.Signals) -> None:
    run = Run(clone)
    run.wait_until_it_serves(START)

    code, out, err = run.end(number)

    assert code == 0
    assert "Traceback" not in out + err
    assert err.splitlines()[-1].endswith("node_stopped node=node-1")


def test_a_signal_to_the_master_alone_ends_the_server_cleanly(clone: Path) -> None:
    run = Run(clone)
    run.wait_until_it_serves(START)

    run.process.terminate()
    code, _, err = run.end()

    assert code == 0
    assert "Traceback" not in err


def test_a_changed_requirement_is_installed_at_the_next_start(clone: Path) -> None:
    stamp = clone / ".venv/requirements.txt.stamp"
    stamp.write_text("of an older version")
    run = Run(clone)

    run.wait_until_it_serves(FIRST_START)
    _, out, _ = run.end(signal.SIGINT)

    assert out.startswith("Installing the ")
    assert stamp.read_text() != "of an older version"


def test_an_interrupted_installation_is_started_again(clone: Path) -> None:
    (clone / ".venv/bin/pip").unlink()
    (clone / ".venv/requirements.txt.stamp").unlink()
    run = Run(clone)

    run.wait_until_it_serves(FIRST_START)
    _, out, _ = run.end(signal.SIGINT)

    assert out.startswith("Making .venv with Python 3.")


# -- each failure is one line and has its own exit code --------------------------------------------------------


def test_a_port_in_use_is_reported_in_one_line(clone: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        code, _, err = Run(clone, {"PORT": str(port)}).end()

    assert code == 3
    assert err == f"Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another HOST or PORT.\n"


def test_an_invalid_setting_is_reported_in_one_line(clone: Path) -> None:
    code, _, err = Run(clone, {"IM_RECALL_WINDOW_SECONDS": "two minutes"}).end()

    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("IM_RECALL_WINDOW_SECONDS='two minutes' cannot be used: ")


def test_a_data_folder_that_cannot_be_created_is_reported_in_one_line(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    code, _, err = Run(clone, {"IM_DATA_DIR": f"{tmp_path}/file/data"}).end()

    assert code == 6
    assert err == f"IM_DATA_DIR='{tmp_path}/file/data' cannot be used: Not a directory.\n"


def test_an_absent_database_is_reported_in_one_line(clone: Path) -> None:
    code, _, err = Run(clone, {"DATABASE_URL": f"mysql://u:hunter2@127.0.0.1:{free_port()}/db"}).end()

    assert code == 7
    assert err.count("\n") == 1
    assert err.startswith("The database does not answer: ")
    assert "hunter2" not in err


def test_a_file_that_is_no_database_is_reported_in_one_line(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 1000)

    code, _, err = Run(clone, {"DATABASE_URL": f"sqlite:///{tmp_path}/letter.txt"}).end()

    assert code == 7
    assert err == f"{tmp_path}/letter.txt is not a database of this server: file is not a database.\n"


def old_python(folder: Path) -> Path:
    """Write a fake old interpreter that answers the questions of setup.sh."""
    file = folder / "python"
    file.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    file.chmod(0o755)
    return file


def test_an_old_python_is_reported_in_one_line(bare: Path, tmp_path: Path) -> None:
    python = old_python(tmp_path)

    code, _, err = Run(bare, {"PYTHON": str(python)}).end()

    assert code == 4
    assert err.count("\n") == 1
    assert err.startswith(f"Python 3.11 or newer is needed, and {python} is Python 3.9.2. ")


def test_a_missing_python_is_reported_in_one_line(bare: Path, tmp_path: Path) -> None:
    code, _, err = Run(bare, {"PYTHON": f"{tmp_path}/nothing"}).end()

    assert code == 4
    assert err.count("\n") == 1
    assert f"there is no {tmp_path}/nothing" in err


@pytest.fixture
def nobody() -> tuple[str, ...]:
    """Return a prefix that runs a command as a user without files, because root may write everywhere."""
    if os.geteuid() != 0:
        return ()
    return (shutil.which("setpriv") or "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Copy the project to a folder that everybody can read, unlike pytest's own folders."""
    folder = Path("/tmp", f"imapp-public-{os.getpid()}")  # noqa: S108 - removed below
    folder.mkdir(mode=0o755)
    yield copy_project(folder)
    shutil.rmtree(folder)


def test_a_project_folder_without_permission_is_reported_in_one_line(
    nobody: tuple[str, ...], public_folder: Path
) -> None:
    public_folder.chmod(0o555)

    code, _, err = Run(public_folder, prefix=nobody).end()

    assert code == 6
    assert err == f"No permission to write in {public_folder}.\n"


def test_a_missing_system_package_is_named_if_it_cannot_be_installed(
    nobody: tuple[str, ...], public_folder: Path
) -> None:
    public_folder.chmod(0o777)
    python = public_folder / "python"
    python.write_text(
        '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; *print*) echo python3.11-venv ;; esac\n',
    )
    python.chmod(0o755)

    code, _, err = Run(public_folder, {"PYTHON": str(python)}, prefix=nobody).end()

    assert code == 5
    assert err == "The package python3.11-venv is missing. Install it: sudo apt-get install python3.11-venv\n"


def test_the_test_script_names_missing_programs(nobody: tuple[str, ...], public_folder: Path) -> None:
    programs = public_folder / "few-programs"
    programs.mkdir()
    for name in ("bash", "dirname", "env", "apt-get"):
        (programs / name).symlink_to(shutil.which(name) or "/nowhere")

    answer = subprocess.run(
        [*nobody, "./scripts/test.sh"],
        check=False,
        cwd=public_folder,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 1
    assert re.fullmatch(r"System packages of the tests are missing: sudo apt-get install [a-z -]*\n", answer.stderr)
    assert {"chromium", "nodejs", "npm"} <= set(answer.stderr.split())
