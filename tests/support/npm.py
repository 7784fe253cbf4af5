"""Official JavaScript clients in a Node.js process of their own (tests/npm), driven from Python."""

import json
import shutil
import subprocess
import threading
from pathlib import Path

from tests.support.clients.received import ReceivedEvents

FOLDER = Path(__file__).resolve().parents[1] / "npm"

_NO_NODE = "node is missing: apt-get install nodejs npm (scripts/test.sh does it)"
_NO_PACKAGES = "the npm packages are missing: cd tests/npm && npm ci (scripts/test.sh does it)"


class NpmProgram(ReceivedEvents):
    """A Node.js process that takes orders; its unsolicited reports are kept in `events` as (event, payload)."""

    patience = 30.0

    def __init__(self, program: str, *options: str) -> None:
        super().__init__()
        node = shutil.which("node")
        assert node, _NO_NODE
        assert (FOLDER / "node_modules/socket.io-client").is_dir(), _NO_PACKAGES
        self._answers: dict[int, dict] = {}
        self._orders = 0
        self._ended = False
        self._process = subprocess.Popen(
            [node, *options, program], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        for line in self._process.stdout:
            said = json.loads(line)
            with self._heard:
                if "event" in said:
                    self.events.append((said["event"], said.get("payload") or {}))
                else:
                    self._answers[said["order"]] = said
                self._heard.notify_all()
        with self._heard:
            self._ended = True
            self._heard.notify_all()

    def begin(self, name: str, **options: object) -> int:
        """Start an order without waiting; return its number for `finish`."""
        self._orders += 1
        self._process.stdin.write(json.dumps({"order": self._orders, "name": name, **options}) + "\n")
        self._process.stdin.flush()
        return self._orders

    def finish(self, order: int, timeout: float = 60) -> dict:
        """Wait until an order is done; return its answer."""
        with self._heard:
            self._heard.wait_for(lambda: order in self._answers or self._ended, timeout)
            assert order in self._answers, f"order {order} was not done within {timeout} s"
        answer = self._answers.pop(order)
        assert "error" not in answer, answer
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(10)
        self._process.stdout.close()


class NpmClient(NpmProgram):
    """A socket.io-client; pushes are kept in `events`."""

    def __init__(self) -> None:
        super().__init__("client.mjs")

    def connect(self, url: str, token: str, **options: object) -> "NpmClient":
        """Start to connect; wait for the result with `wait_for("connect")` or `wait_for("connect_error")`."""
        self.finish(self.begin("connect", url=url, auth={"token": token}, **options))
        return self

    def call(self, command: str, payload: object = None, timeout: float = 60) -> dict:
        """Send a command and return its ack."""
        order = self.begin("emit", command=command, payload=payload or {}, timeout=int(timeout * 1000))
        return self.finish(order, timeout + 5)["ack"]

    def state(self) -> dict:
        """Return whether it is connected, and by which transport."""
        return self.finish(self.begin("state"))

    def forget(self) -> None:
        """Empty `events`."""
        with self._heard:
            self.events.clear()


class NpmCrowd(NpmProgram):
    """Many socket.io-clients, one for each token; the first `websocket` use WebSocket only, the others polling."""

    def __init__(self, url: str, tokens: list[str], *, websocket: int) -> None:
        super().__init__("crowd.mjs")
        self.size = len(tokens)
        self.finish(self.begin("open", url=url, tokens=tokens, websocket=websocket))

    def state(self) -> dict:
        """Return `connected`, `nodes` (node id -> connections), `returns`, `longest_away_ms` without a connection."""
        state = self.finish(self.begin("state"))
        del state["order"]
        return state

    def forget(self) -> None:
        """Restart the counts of returns and times."""
        self.finish(self.begin("forget"))

    def is_whole(self, nodes: int, tolerance: float) -> bool:
        """Return whether all are connected and each node has its share, within `tolerance` of the share."""
        state = self.state()
        share = self.size / nodes
        fair = [abs(count - share) <= share * tolerance for count in state["nodes"].values()]
        return state["connected"] == self.size and len(fair) == nodes and all(fair)
