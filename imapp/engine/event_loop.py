"""The parts of the event loop that all connections of a process share."""

from gevent.hub import Hub

from imapp.engine.flusher import Flusher
from imapp.engine.timer_wheel import TimerWheel


class EventLoop:
    """gevent's hub (its loop is `hub.loop`), with a timer wheel, whose tick is `resolution` seconds, and a flusher."""

    def __init__(self, hub: Hub, resolution: float) -> None:
        self.hub = hub
        self.timer_wheel = TimerWheel(hub, resolution)
        self.flusher = Flusher(hub)
