"""The work in the background that keeps connections right: resync, comparison, rebalancing, expiry, node commands."""

from imapp.cluster.bus import node_commands
from imapp.cluster.bus.node_commands import TraceQuestion
from imapp.logs import get_logger
from imapp.logs.setup import NodeLogs
from imapp.node import node_of
from imapp.realtime import expiry
from imapp.realtime.rebalancing import Rebalancer
from imapp.realtime.reconciliation import Reconciler
from imapp.realtime.resync import Resync
from imapp.realtime.server import RealtimeServer
from imapp.services.operations import message_traces

log = get_logger(__name__)


class NodeUpkeep:
    """Implements `realtime.server.Upkeep`."""

    def __init__(self, server: RealtimeServer) -> None:
        self._server = server
        self._node = node_of(server.app)
        self.resync = Resync(server)
        #: Finds changes that were not pushed; None until the node serves.
        self.reconciler: Reconciler | None = None
        settings = self._node.settings
        #: Moves clients to nodes that join the cluster; does not run without Redis.
        self.rebalancer = Rebalancer(
            server,
            node_id=settings.node_id,
            per_second=settings.reconnects_per_second,
            is_automatic=settings.rebalance,
        )
        server.manager.on(node_commands.DRAIN, self._drain)
        server.manager.on(node_commands.REBALANCE, self._rebalance)
        server.manager.on(node_commands.LOG_LEVEL, self._change_log_level)
        server.manager.on(node_commands.TRACE, self._answer_trace)

    def start(self) -> None:
        """Start, in the process that serves, after gevent's patches."""
        self._server.manager.start()
        self.reconciler = Reconciler(self._server, self._server.manager.told)
        self._server.start_background_task(self.reconciler.run)
        if self._node.settings.redis_url is not None:
            self._server.start_background_task(self.rebalancer.run)
        log.info("socketio_server_started", message="SocketIO服务器启动成功")

    def begin(self) -> None:
        """Begin to expire connections; called with the first of them."""
        self._server.start_background_task(expiry.run, self._server)

    def catch_up(self, sids: list[str], reason: str) -> None:
        """Check these connections, which may have missed something, and tell them to sync."""
        if sids:
            self._server.start_background_task(self.resync.run, sids, reason)

    def recheck(self, sids: list[str]) -> None:
        """Compare the rooms of these connections with the stored memberships."""
        self.resync.recheck(sids)

    def reconcile(self, *, is_node_lost: bool) -> None:
        """Compare what has been pushed with what is stored at the next tick."""
        if self.reconciler is not None:
            self.reconciler.request(is_node_lost=is_node_lost)

    def record_baselines(self) -> None:
        """Remember the last change of each new conversation here, and the version of each new user's own state.

        Call it in an app context, before the clients are let in or told to sync.
        """
        if self.reconciler is not None:
            self.reconciler.record_baselines()

    # -- node commands, of another node or of an operator --------------------------------------------------------------

    def _drain(self, _: None) -> None:
        log.info("drain_ordered")
        self._node.stop()

    def _rebalance(self, _: None) -> None:
        self.rebalancer.request()

    def _change_log_level(self, change: tuple[str, str, int]) -> None:
        logs = self._node.find(NodeLogs)
        if logs is not None:
            logs.levels.change(*change)

    def _answer_trace(self, question: TraceQuestion) -> None:
        self._server.start_background_task(message_traces.reply, self._server.app, question)
