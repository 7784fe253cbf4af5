"""One interface to both official clients, so that a test reads the same for each."""

import pytest

from tests.support.clients.official import Device
from tests.support.npm import NpmClient
from tests.support.ports import wait_for


class PythonSide:
    """python-socketio's Client behind the interface of the tests."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.call, self.wait_for, self.received = device.call, device.wait_for, device.received

    def connect(self, **options) -> None:
        """Connect, with automatic reconnection as in applications."""
        self.device.connect(reconnection=True, wait_timeout=30, **options)

    def wait_connected(self, *, to: str | None = None) -> None:
        """Wait until the client is connected, by the transport `to` if given."""
        wait_for(lambda: self.device.sio.connected and to in {None, self.device.sio.transport()}, what="the connection")

    def wait_disconnected(self) -> None:
        """Wait until the client has noticed the loss of the server."""
        wait_for(lambda: not self.device.sio.connected, what="the disconnection")

    def close(self) -> None:
        """Close the client."""
        self.device.sio.shutdown()


class NpmSide:
    """socket.io-client behind the interface of the tests."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.npm = NpmClient()
        self.call, self.wait_for, self.received = self.npm.call, self.npm.wait_for, self.npm.received

    def connect(self, **options) -> None:
        """Connect, with automatic reconnection as in applications."""
        self.npm.connect(self.device.server.url, self.device.tokens["access_token"], **options)
        self.npm.wait_for("connect")

    def wait_connected(self, *, to: str | None = None) -> None:
        """Wait until the client is connected, by the transport `to` if given."""
        wait_for(lambda: self._is_connected(to), what="the connection")

    def _is_connected(self, to: str | None) -> bool:
        state = self.npm.state()
        return state["connected"] and to in {None, state["transport"]}

    def wait_disconnected(self) -> None:
        """Wait until the client has noticed the loss of the server."""
        wait_for(lambda: not self.npm.state()["connected"], what="the disconnection")

    def close(self) -> None:
        """Close the client."""
        self.npm.close()


@pytest.fixture(params=[PythonSide, NpmSide], ids=["python", "npm"])
def client_of(request):
    """Provide `client_of(device)`, which makes an official client of the device's user, not connected yet."""
    made = []

    def make(device: Device) -> PythonSide | NpmSide:
        made.append(request.param(device))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def npm():
    """Provide `npm()`, which makes an npm client that is not connected yet."""
    made = []

    def make() -> NpmClient:
        made.append(NpmClient())
        return made[-1]

    yield make
    for one in made:
        one.close()
