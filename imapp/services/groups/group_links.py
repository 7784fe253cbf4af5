"""The invitation link of a group: users with its secret can see the group, and join it if its join policy allows.

Without the link, groups that are not open cannot be found by trying ids.
"""

import hmac
import secrets

from imapp.errors import NotFoundError, RoleRequiredError
from imapp.extensions import db
from imapp.models.groups import Group
from imapp.schemas.groups import LinkOut
from imapp.services.groups.group_change import GroupChange, change_group
from imapp.services.messaging.membership import require_membership
from imapp.services.write_path.permissions import ADMINS


def read(actor_id: int, group_id: int) -> LinkOut:
    """Return the link; raises NotAMemberError, RoleRequiredError, NotFoundError for a group without one."""
    if require_membership(actor_id, group_id).role not in ADMINS:
        raise RoleRequiredError
    group = db.session.get(Group, group_id, populate_existing=True)
    if group is None or group.link_token is None:
        raise NotFoundError("This group has no invitation link.")
    return LinkOut(group_id=group_id, token=group.link_token)


def renew(actor_id: int, group_id: int) -> LinkOut:
    """Create a new link, which revokes the old one; raises NotAMemberError, RoleRequiredError, GroupDissolvedError."""
    return change_group(_renew, actor_id, group_id)


def revoke(actor_id: int, group_id: int) -> None:
    """Revoke the link; raises NotAMemberError, RoleRequiredError, GroupDissolvedError."""
    change_group(_revoke, actor_id, group_id)


def shows(group: Group, token: str | None) -> bool:
    """Return whether non-members may see the group: it is not dissolved, and it is open or they have its link."""
    if group.dissolved_at is not None:
        return False
    has_link = bool(token and group.link_token and hmac.compare_digest(token.encode(), group.link_token.encode()))
    return group.join_policy == "open" or has_link


def _renew(change: GroupChange) -> LinkOut:
    change.require_admin()
    change.group.link_token = secrets.token_urlsafe(16)
    return LinkOut(group_id=change.group.id, token=change.group.link_token)


def _revoke(change: GroupChange) -> None:
    change.require_admin()
    change.group.link_token = None
