"""A real Nginx before real nodes."""

import subprocess

import pytest

from tests.support.nginx import Nginx, nginx  # noqa: F401 - a fixture
from tests.support.server import ROOT


@pytest.fixture(scope="module")
def front(nodes, tmp_path_factory):
    """Run Nginx before the shared nodes, for tests that do not stop it."""
    one = Nginx(tmp_path_factory.mktemp("nginx"), nodes, f"--static={ROOT / 'web'}", "--read-timeout=60").start()
    yield one
    one.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Create a file with a self-signed certificate and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    file = folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", file, "-keyout", folder / "key.pem"]
    subprocess.run([*command, *names], check=True, capture_output=True)
    file.write_text(file.read_text() + (folder / "key.pem").read_text())
    return str(file)
