"""The tables. Rule for this folder: columns, indexes and the reason for each; no queries, no business rules.

Importing this package registers every table with the metadata that the migrations are compared against.
"""

from imapp.models.audit_log import AdminAct
from imapp.models.changes import Change
from imapp.models.contacts import Block, Contact, ContactRequest
from imapp.models.conversations import Conversation, ConversationMember
from imapp.models.groups import Group, JoinRequest
from imapp.models.idempotency import IdempotencyKey
from imapp.models.invitations import Invitation
from imapp.models.messages import HiddenMessage, Mention, Message, MessageEdit, Pin, Reaction
from imapp.models.own_state import ServerState, UserState
from imapp.models.second_factors import RecoveryCode, SecondFactor
from imapp.models.sessions import DeviceSession
from imapp.models.users import User

__all__ = [
    "AdminAct",
    "Block",
    "Change",
    "Contact",
    "ContactRequest",
    "Conversation",
    "ConversationMember",
    "DeviceSession",
    "Group",
    "HiddenMessage",
    "IdempotencyKey",
    "Invitation",
    "JoinRequest",
    "Mention",
    "Message",
    "MessageEdit",
    "Pin",
    "Reaction",
    "RecoveryCode",
    "SecondFactor",
    "ServerState",
    "User",
    "UserState",
]
