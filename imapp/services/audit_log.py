"""The log of administrative acts: operator, action, target, time and address."""

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from imapp.clock import now
from imapp.database.errors import as_app_error
from imapp.database.transactions import atomic
from imapp.extensions import settings
from imapp.logs import get_logger
from imapp.models.audit_log import AdminAct
from imapp.models.users import User
from imapp.schemas.administration import By

log = get_logger(__name__)


def note(session: Session, by: By, action: str, target: str = "") -> None:
    """Log an act and delete acts older than `admin_acts_days`. Part of the transaction that performs the act."""
    moment = now()
    session.execute(delete(AdminAct).where(AdminAct.at < oldest_kept(moment)))
    name = by.name or session.get_one(User, by.user_id).username
    row = AdminAct(at=moment, user_id=by.user_id, name=name[:64], action=action, target=target[:128], ip=by.ip[:45])
    session.add(row)
    log.info("admin_act", action=row.action, target=row.target, by=row.name, remote=row.ip)


def target_of(user: User) -> str:
    """Return the target of an act on an account."""
    return f"user:{user.id} {user.username}"


def record(by: By, action: str, target: str) -> None:
    """Log an act that is not a transaction; an unavailable database must not prevent the act."""
    try:
        atomic(note, by, action, target)
    except Exception as exc:
        if as_app_error(exc) is None:
            raise
        log.warning("admin_act_not_stored", action=action, target=target, user_id=by.user_id, by=by.name)


def oldest_kept(moment: datetime) -> datetime:
    """Return the moment before which acts are deleted (IM_ADMIN_ACTS_DAYS)."""
    return moment - timedelta(days=settings.admin_acts_days)
