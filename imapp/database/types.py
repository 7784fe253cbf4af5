"""Column types and table options that mean the same on SQLite and MySQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer
from sqlalchemy import TypeDecorator as SqlTypeDecorator
from sqlalchemy.dialects import mysql

#: The last table argument of every model. Names and ids compare byte by byte; case is folded before storing.
TABLE_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

#: SQLite autoincrements only the type INTEGER; MySQL needs BIGINT.
BigId = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(SqlTypeDecorator[datetime]):
    """An aware UTC datetime with milliseconds. Naive ones are refused, since SQLite and MySQL store no zone."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        """Use a column with milliseconds on MySQL and MariaDB."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=3))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Store UTC without the zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Add the UTC zone."""
        return None if value is None else value.replace(tzinfo=UTC)


def as_utc(stored: datetime | str | None) -> datetime | None:
    """Convert a driver's value of a UtcDateTime column, read by a statement for which SQLAlchemy knows no types."""
    naive = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return None if naive is None else naive.replace(tzinfo=UTC)
