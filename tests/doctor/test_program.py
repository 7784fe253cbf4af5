"""The doctor on the program, the operating system and the disk: each is really broken, in its own process."""

import os
import shlex
import socket

import pytest

from imapp.doctor import disk, kernel, program

pytestmark = pytest.mark.slow

#: Run a process with its own network and mounts, so that it may change them.
_ALONE = ("unshare", "--map-root-user")


def after(*commands: str) -> tuple[str, ...]:
    """Return a command prefix that runs these commands first, in the same shell."""
    return ("sh", "-c", "; ".join([*commands, 'exec "$@"']), "sh")


@pytest.fixture
def packages_path(tmp_path, environ):
    """Create a folder that comes first in Python's search path."""
    folder = tmp_path / "site"
    folder.mkdir()
    environ["PYTHONPATH"] = str(folder)
    return folder


def test_a_package_with_another_version_is_named(doctor, environ, packages_path):
    (packages_path / "flask-2.0.dist-info").mkdir()
    (packages_path / "flask-2.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: flask\nVersion: 2.0\n")

    told = doctor(environ, "--only", "program.packages")

    assert told.status("program.packages") == "WARN"
    assert told.rows["program.packages"]["text"].startswith("flask is 2.0, not 3.")
    assert told.rows["program.packages"]["command"] == "scripts/setup.sh"


def test_a_missing_package_is_a_failure(app, look, tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "no-such-package==1.0 \\\n    --hash=x\nother==1 ; python_version < '3' \\\n"
    )

    found = look(app, "program.packages", project=tmp_path)

    assert (found.status, found.text) == ("FAIL", "no-such-package is missing (1.0 is pinned)")


def test_without_pinned_packages_the_check_is_skipped(app, look, tmp_path):
    assert look(app, "program.packages", project=tmp_path).status == "SKIP"


def test_a_python_that_is_too_old_is_a_failure(app, look, monkeypatch):
    assert look(app, "program.python").status == "OK"
    monkeypatch.setattr(program, "_OLDEST_PYTHON", (4, 0))

    assert look(app, "program.python").status == "FAIL"


def test_modules_imported_before_the_patches_are_named(doctor, environ, packages_path):
    assert doctor(environ, "--only", "program.patches").status("program.patches") == "OK"
    (packages_path / "sitecustomize.py").write_text("import ssl, urllib3\n")

    told = doctor(environ, "--only", "program.patches")

    assert told.status("program.patches") == "FAIL"
    assert "ssl" in told.rows["program.patches"]["text"]


def test_a_worker_without_monkey_patching_is_a_failure(doctor, environ):
    told = doctor({**environ, "GUNICORN_CMD_ARGS": "--worker-class gthread"}, "--only", "program")

    assert {told.status("program.patches"), told.status("program.transport")} == {"FAIL"}
    assert "socket" in told.rows["program.patches"]["text"]


def test_the_fall_back_transport_is_a_warning(doctor, environ):
    told = doctor({**environ, "IM_TRANSPORT": "stock"}, "--only", "program.transport")

    assert (told.exit_code, told.status("program.transport")) == (1, "WARN")


def test_the_fall_back_transport_on_another_worker_is_a_failure(doctor, environ):
    wrong = {"IM_TRANSPORT": "stock", "GUNICORN_CMD_ARGS": "--worker-class gevent"}

    told = doctor({**environ, **wrong}, "--only", "program.transport")

    assert told.status("program.transport") == "FAIL"
    assert "GeventWorker" in told.rows["program.transport"]["text"]


def test_a_program_that_fails_to_load_is_reported_with_the_reason(doctor, environ, packages_path):
    (packages_path / "sitecustomize.py").write_text(
        "import sys\nif 'dry_start' in ' '.join(sys.orig_argv): sys.modules['flask_socketio'] = None\n"
    )

    told = doctor(environ, "--only", "program.patches")

    assert told.status("program.patches") == "FAIL"
    assert "flask_socketio" in told.rows["program.patches"]["text"]


# -- the system ------------------------------------------------------------------------------------------------------


def test_too_few_file_descriptors_are_a_failure(doctor, environ):
    told = doctor(environ, "--only", "system.files", wrapper=after("ulimit -n 1000"))

    assert told.status("system.files") == "FAIL"
    assert "hard 1000; IM_MAX_CONNECTIONS and 200 more are 2200" in told.rows["system.files"]["text"]
    assert doctor(environ, "--only", "system.files").status("system.files") == "OK"


def test_short_queues_and_few_ports_are_warnings(doctor, environ):
    write = ["echo 128 >/proc/sys/net/core/somaxconn", "echo 100 >/proc/sys/net/ipv4/tcp_max_syn_backlog"]
    write += ["echo 40000 40500 >/proc/sys/net/ipv4/ip_local_port_range"]

    told = doctor(environ, "--only", "system", "--nginx", "x", wrapper=(*_ALONE, "--net", *after(*write)))

    assert told.exit_code == 1
    assert told.named("WARN") == ["system.backlog", "system.half_open", "system.ports"]
    assert "501 ports" in told.rows["system.ports"]["text"]


def test_long_queues_and_many_ports_pass(doctor, environ):
    write = ["echo 4096 >/proc/sys/net/core/somaxconn", "echo 2048 >/proc/sys/net/ipv4/tcp_max_syn_backlog"]

    told = doctor(environ, "--only", "system", "--nginx", "x", wrapper=(*_ALONE, "--net", *after(*write)))

    assert (told.exit_code, len(told.named("OK"))) == (0, 5)


def test_without_a_local_nginx_the_check_of_ports_is_skipped(app, look, tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "_PROC", tmp_path)

    assert look(app, "system.ports").status == "SKIP"


def test_a_kernel_without_the_user_timeout_is_a_warning(app, look, monkeypatch):
    monkeypatch.setattr(socket, "TCP_USER_TIMEOUT", 9999)  # no kernel knows this option

    assert look(app, "system.dead_peers").status == "WARN"


# -- the disk --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "status"), [("20m", "FAIL"), ("300m", "WARN"), ("900m", "OK")])
def test_too_little_free_disk_space_is_reported(doctor, environ, tmp_path, size, status):
    folder = tmp_path / "temporary"
    folder.mkdir()
    mount = f"mount -t tmpfs -o size={size} x {shlex.quote(str(folder))}"

    told = doctor(
        {**environ, "TMPDIR": str(folder)}, "--only", "disk.space", wrapper=(*_ALONE, "--mount", *after(mount))
    )

    assert told.status("disk.space") == status, told.output
    assert status == "OK" or str(folder) in told.rows["disk.space"]["text"]


def test_a_log_without_rotation_is_a_warning(app, look, tmp_path):
    assert look(app, "disk.logs", project=tmp_path).status == "SKIP"
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/node1.log").touch()
    assert look(app, "disk.logs", project=tmp_path).status == "OK"

    os.truncate(tmp_path / "logs/node1.log", disk._LOG_BYTES + 1)  # a sparse file takes no disk space

    found = look(app, "disk.logs", project=tmp_path)
    assert (found.status, found.text) == ("WARN", "node1.log 1.0 GiB")
