"""The catalogue of node commands: what a node, or an operator's process, can make the nodes do.

A command travels as an envelope.NodeCommand with the name given here. A node ignores names that it does not know, from
nodes of another version. The comments name the handlers.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

from imapp.cluster.bus.envelope import NodeCommand
from imapp.cluster.bus.node_facts import NodeFacts

Argument = TypeVar("Argument")


@dataclass(frozen=True)
class CommandType(Generic[Argument]):
    """A type of node command; `Argument` is the type of its argument, which travels as JSON."""

    name: str

    def make(self, room: str | None, argument: Argument, namespace: str = "/") -> NodeCommand:
        """Return the command for the connections in a room; for a command to nodes, `room` is None."""
        return NodeCommand(self.name, room, argument, namespace)


class TraceQuestion(TypedDict):
    """What a node is asked about a message: its id or client id, and the users whose connections matter."""

    #: Names the list in Redis that takes the answers.
    token: str
    key: str
    users: list[int]


# -- to the connections in a room, on every node (room_manager.RoomManager) --------------------------------------------

#: Enter the room that the argument names.
ENTER = CommandType[str]("enter")
#: Leave the room that the argument names.
LEAVE = CommandType[str]("leave")
#: Leave the room that the command is sent to.
CLOSE = CommandType[None]("close")
#: Be disconnected.
DISCONNECT = CommandType[None]("disconnect")
#: Be checked, and told to sync for the reason in the argument.
SYNC = CommandType[str]("sync")
#: Have the rooms compared with the stored memberships.
RECHECK = CommandType[None]("recheck")

# -- to every node (room_manager.RoomManager) --------------------------------------------------------------------------

#: Compare what was pushed with what is stored; the argument is NODE_LOST after the death of a node.
RECONCILE = CommandType[str | None]("reconcile")
NODE_LOST = "node_lost"

# -- to one node (room_manager.RoomManager) ----------------------------------------------------------------------------

#: Take a client's ack to an event of this node: the node's id, the number of the callback, and the ack's arguments.
ANSWER = CommandType[list[Any]]("answer")
#: Send EXAMINED, with this node's facts, to the doctor that the argument names.
EXAMINE = CommandType[str]("examine")
#: The answer to EXAMINE (roll_call.py).
EXAMINED = CommandType[NodeFacts]("examined")

# -- to one node, or to every node (realtime.upkeep.NodeUpkeep) --------------------------------------------------------

#: Drain and stop.
DRAIN = CommandType[None]("drain")
#: Disconnect the clients beyond this node's share.
REBALANCE = CommandType[None]("rebalance")
#: Change a log level: the level, the logger's name, and the seconds until the old level returns.
LOG_LEVEL = CommandType[tuple[str, str, int]]("log_level")
#: Answer a question about a message, through Redis (services.operations.message_traces).
TRACE = CommandType[TraceQuestion]("trace")
