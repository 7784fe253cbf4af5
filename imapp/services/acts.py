"""The log of administrative acts: operator, action, target, time and address."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from imapp.database import as_app_error, atomic
from imapp.errors import InvalidInputError
from imapp.extensions import db, settings
from imapp.logs import get_logger
from imapp.models.acts import AdminAct
from imapp.models.users import User
from imapp.schemas.administration import ActOut, ActsQuery, By
from imapp.schemas.base import Page, now
from imapp.services.access import Actor, require_operator

log = get_logger(__name__)


def note(session: Session, by: By, action: str, target: str = "") -> None:
    """Log an act and delete acts older than `admin_acts_days`. Part of the transaction that performs the act."""
    moment = now()
    session.execute(delete(AdminAct).where(AdminAct.at < _oldest(moment)))
    name = by.name or session.get_one(User, by.user_id).username
    row = AdminAct(at=moment, user_id=by.user_id, name=name[:64], action=action, target=target[:128], ip=by.ip[:45])
    session.add(row)
    log.info("admin_act", action=row.action, target=row.target, by=row.name, remote=row.ip)


def record(by: By, action: str, target: str) -> None:
    """Log an act that is not a transaction; an unavailable database must not prevent the act."""
    try:
        atomic(note, by, action, target)
    except Exception as exc:
        if as_app_error(exc) is None:
            raise
        log.warning("admin_act_not_stored", action=action, target=target, user_id=by.user_id, by=by.name)


def list_acts(actor: Actor, query: ActsQuery) -> Page[ActOut]:
    """Return a page of the log, latest first; raises ForbiddenError, InvalidInputError."""
    require_operator(actor)
    kept = select(AdminAct).where(AdminAct.at >= _oldest(now())).order_by(AdminAct.id.desc()).limit(query.limit + 1)
    if query.cursor is not None:
        kept = kept.where(AdminAct.id < read_cursor(query.cursor))
    rows = list(db.session.scalars(kept))
    page = rows[: query.limit]
    cursor = str(page[-1].id) if len(rows) > query.limit else None
    return Page[ActOut](items=[ActOut.model_validate(row) for row in page], next_cursor=cursor)


def read_cursor(cursor: str | None) -> int:
    """Return the id in a cursor, 0 for None; raises InvalidInputError for a cursor that this server did not issue."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInputError(fields=[{"field": "cursor", "message": "Not a cursor of this list"}])
    return int(cursor)


def _oldest(moment: datetime) -> datetime:
    return moment - timedelta(days=settings.admin_acts_days)
