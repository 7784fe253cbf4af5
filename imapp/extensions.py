"""The Flask extensions, unbound: `create_app` binds them.

`socketio` is created here so that services can publish and doors can register without importing the app, and
`settings` stands for the settings of the app at hand.
"""

from typing import TYPE_CHECKING

from flask import current_app
from flask_migrate import Migrate
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase
from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from config import Settings


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


db = SQLAlchemy(model_class=Base, disable_autonaming=True)
migrate = Migrate()
socketio = SocketIO()

#: The settings of the app at hand (needs an app context).
settings: "Settings" = LocalProxy(lambda: current_app.config["IMAPP"])  # type: ignore[assignment]  # a proxy
