"""A server process of a test: started, signalled, frozen and killed by it."""

import signal
import subprocess


class ServerProcess:
    """Base of a server in one process; a subclass sets `process` when it starts it."""

    process: subprocess.Popen | None = None

    def signal(self, number: int) -> None:
        """Send a signal to this server."""
        assert self.process is not None
        assert self.process.poll() is None, f"{type(self).__name__} is not running"
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the server with SIGKILL, as a power failure would end it."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def freeze(self) -> None:
        """Freeze the server: it stops answering and closes nothing."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the frozen server."""
        self.signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
