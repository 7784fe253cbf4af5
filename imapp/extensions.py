"""The Flask extensions, unbound; `create_app` binds them.

`socketio` is created here so that other modules can use it without importing the app. `settings` is a proxy for the
settings of the current app.
"""

from typing import TYPE_CHECKING, Any

from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from imapp.node import current_node

if TYPE_CHECKING:
    from imapp.settings import Settings


class Base(DeclarativeBase):
    """Base of all tables; constraints have names so that migrations can drop them on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class ReadSession(FlaskSession):
    """The session behind `db.session`: it is read-only."""

    def flush(self, objects: Any = None) -> None:
        """Raise RuntimeError if there is anything to write: writes belong inside `database.atomic`."""
        if self.new or self.dirty or self.deleted:
            raise RuntimeError("db.session is read-only; write inside database.atomic")


db = SQLAlchemy(model_class=Base, disable_autonaming=True, session_options={"class_": ReadSession})
#: Typed as Any: the stubs lack the attribute `server`, through which python-socketio is reached.
socketio: Any = SocketIO()


class _CurrentSettings:
    """A proxy for the current app's settings. Every command reads some; a LocalProxy would cost twice as much."""

    def __getattr__(self, name: str) -> Any:
        return getattr(current_node().settings, name)


#: The settings of the current app (needs an app context).
settings: "Settings" = _CurrentSettings()  # type: ignore[assignment]  # a proxy
