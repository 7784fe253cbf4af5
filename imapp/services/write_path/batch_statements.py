"""The SQL statements of a batch. Lists of keys are sent as one JSON parameter, `:keys` or `:rows`.

The queries that every message needs return each row as one JSON list: the driver is written in Python and takes 1.5
microseconds for each column of each row, and decoding the list takes less than that.

The two dialects differ in how they read a JSON list as a table: JSON_TABLE on MySQL and MariaDB, json_each on
SQLite. STRAIGHT_JOIN keeps MySQL from starting at the big table. FORCE INDEX keeps it from scanning a small table,
where an UPDATE would wait for every row that another transaction has locked.
"""

from dataclasses import dataclass

from sqlalchemy import TextualSelect, text

from imapp.database.types import UtcDateTime
from imapp.services.write_path.rows import HEAD_COLUMNS, MESSAGE_COLUMNS

_HEAD = ", ".join(HEAD_COLUMNS)
_MESSAGE = ", ".join(f"m.{name}" for name in MESSAGE_COLUMNS)

_LOCKED = f"SELECT JSON_ARRAY({_HEAD}) FROM conversations WHERE id IN (%s) ORDER BY id"  # noqa: S608 - names of this project

_READ = "UPDATE conversations SET read_at = :moment WHERE id IN (%s)"

#: Takes pairs of conversation and user. (MariaDB returns a bare EXISTS that depends on the row as the text "0".)
RIGHTS = """
SELECT JSON_ARRAY(k.c, k.u, m.role, m.left_at, m.muted_until, m.read_seq, m.is_marked_unread,
       g.is_muted_all, g.dissolved_at, g.member_count,
       CASE WHEN EXISTS (SELECT 1 FROM blocks b WHERE b.removed_at IS NULL
                         AND ((b.user_id = v.user_low_id AND b.blocked_id = v.user_high_id)
                           OR (b.user_id = v.user_high_id AND b.blocked_id = v.user_low_id))) THEN 1 ELSE 0 END,
       CASE WHEN EXISTS (SELECT 1 FROM contacts f WHERE f.removed_at IS NULL
                         AND f.user_id = v.user_low_id AND f.contact_id = v.user_high_id) THEN 1 ELSE 0 END,
       CASE WHEN EXISTS (SELECT 1 FROM users u WHERE u.disabled_at IS NOT NULL AND u.id =
                         CASE WHEN v.user_low_id = k.u THEN v.user_high_id ELSE v.user_low_id END) THEN 1 ELSE 0 END)
FROM {pairs} {join} conversation_members m ON m.conversation_id = k.c AND m.user_id = k.u
{join} conversations v ON v.id = k.c
LEFT JOIN chat_groups g ON g.id = k.c
"""

_SENT = """
SELECT JSON_ARRAY(m.sender_id, m.client_id, m.conversation_id, m.seq)
FROM {pairs} {join} messages m ON m.sender_id = k.s AND m.client_id = k.i
"""

#: Takes pairs of conversation and seq.
MESSAGES = f"""
SELECT {_MESSAGE} FROM {{pairs}} {{join}} messages m ON m.conversation_id = k.c AND m.seq = k.u
"""  # noqa: S608 - as above

_REACTIONS = """
SELECT r.conversation_id, r.seq, r.emoji, r.user_id FROM {pairs}
{join} reactions r ON r.conversation_id = k.c AND r.seq = k.u ORDER BY r.created_at, r.user_id
"""

_EDITS = """
SELECT e.conversation_id, e.seq, COUNT(*) FROM {pairs}
{join} message_edits e ON e.conversation_id = k.c AND e.seq = k.u GROUP BY e.conversation_id, e.seq
"""

_MYSQL_PAIRS = "JSON_TABLE(:keys, '$[*]' COLUMNS (c BIGINT PATH '$[0]', u BIGINT PATH '$[1]')) k"
_MYSQL_IDS = "JSON_TABLE(:keys, '$[*]' COLUMNS (s BIGINT PATH '$[0]', i VARCHAR(64) PATH '$[1]')) k"
_MYSQL_HEADS = (
    "JSON_TABLE(:rows, '$[*]' COLUMNS (c BIGINT PATH '$[0]', s BIGINT PATH '$[1]', n BIGINT PATH '$[2]',"
    " a VARCHAR(32) PATH '$[3]', o SMALLINT PATH '$[4]')) k"
)
_MYSQL_MARKS = (
    "JSON_TABLE(:rows, '$[*]' COLUMNS (c BIGINT PATH '$[0]', u BIGINT PATH '$[1]', r BIGINT PATH '$[2]',"
    " w BIGINT PATH '$[3]', x BIGINT PATH '$[4]')) k"
)
_LITE_PAIRS = "(SELECT json_extract(value, '$[0]') AS c, json_extract(value, '$[1]') AS u FROM json_each(:keys)) k"
_LITE_IDS = "(SELECT json_extract(value, '$[0]') AS s, json_extract(value, '$[1]') AS i FROM json_each(:keys)) k"


@dataclass(frozen=True)
class Statements:
    """The statements of a batch. Parameters: `keys` = JSON list of pairs; `rows` = JSON list of rows."""

    #: Suffix of a SELECT that locks its rows until the commit.
    lock: str
    #: Suffix of a SELECT that locks its rows without waiting and skips rows locked by other transactions.
    lock_free: str
    #: keys: [conversation, user]; returns the fields of Rights
    rights: str
    #: keys: [sender, client id]
    sent: str
    #: keys: [conversation, seq]
    messages: str
    #: keys: [conversation, seq]
    reactions: str
    #: keys: [conversation, seq]; returns the number of edits of each message
    edits: str
    #: rows: [conversation, last_seq, last_change, active_at, voices]
    heads: str
    #: rows: [conversation, user, read_seq, version or 0 for "keep", 1 to clear "marked unread"]
    marks: str

    def heads_locked(self, ids: list[int]) -> str:
        """Return the statement that reads conversations and locks them, in id order to avoid deadlocks."""
        return _LOCKED % ",".join(map(str, ids)) + self.lock

    def heads_free(self, ids: list[int]) -> str:
        """Return the statement that selects the conversations not locked by another transaction."""
        return f"SELECT id FROM conversations WHERE id IN ({','.join(map(str, ids))}){self.lock_free}"  # noqa: S608 - numbers

    @staticmethod
    def read(ids: list[int]) -> str:
        """Return the statement that stores the `:moment` at which read marks of these conversations moved."""
        return _READ % ",".join(map(str, ids))


#: Column types for textual statements: without them the driver's time values are not converted.
MESSAGE_TIMES = {name: UtcDateTime() for name in ("created_at", "edited_at", "recalled_at", "pinned_at")}


def _mysql(sql: str, pairs: str = _MYSQL_PAIRS) -> str:
    return sql.format(pairs=pairs, join="STRAIGHT_JOIN")


def _lite(sql: str, pairs: str = _LITE_PAIRS) -> str:
    return sql.format(pairs=pairs, join="CROSS JOIN")


MYSQL = Statements(
    lock=" FOR UPDATE",
    lock_free=" FOR UPDATE SKIP LOCKED",
    rights=_mysql(RIGHTS),
    sent=_mysql(_SENT, _MYSQL_IDS),
    messages=_mysql(MESSAGES),
    reactions=_mysql(_REACTIONS),
    edits=_mysql(_EDITS),
    heads=(
        "UPDATE " + _MYSQL_HEADS + " STRAIGHT_JOIN conversations v FORCE INDEX (PRIMARY) ON v.id = k.c"  # noqa: S608 - only literals of this file
        " SET v.last_seq = k.s, v.last_change = k.n, v.active_at = k.a, v.voices = k.o"
    ),
    marks=(
        "UPDATE " + _MYSQL_MARKS + " STRAIGHT_JOIN conversation_members m FORCE INDEX (PRIMARY)"  # noqa: S608 - as above
        " ON m.conversation_id = k.c AND m.user_id = k.u"
        " SET m.read_seq = GREATEST(m.read_seq, k.r), m.version = GREATEST(m.version, k.w),"
        " m.is_marked_unread = m.is_marked_unread AND k.x = 0"
    ),
)

SQLITE = Statements(
    lock="",
    lock_free="",
    rights=_lite(RIGHTS),
    sent=_lite(_SENT, _LITE_IDS),
    messages=_lite(MESSAGES),
    reactions=_lite(_REACTIONS),
    edits=_lite(_EDITS),
    heads=(
        "UPDATE conversations SET last_seq = k.s, last_change = k.n, active_at = k.a, voices = k.o"
        " FROM (SELECT json_extract(value, '$[0]') AS c, json_extract(value, '$[1]') AS s,"
        " json_extract(value, '$[2]') AS n, json_extract(value, '$[3]') AS a, json_extract(value, '$[4]') AS o"
        " FROM json_each(:rows)) k"
        " WHERE conversations.id = k.c"
    ),
    marks=(
        "UPDATE conversation_members SET read_seq = max(read_seq, k.r), version = max(version, k.w),"
        " is_marked_unread = is_marked_unread AND k.x = 0"
        " FROM (SELECT json_extract(value, '$[0]') AS c, json_extract(value, '$[1]') AS u,"
        " json_extract(value, '$[2]') AS r, json_extract(value, '$[3]') AS w, json_extract(value, '$[4]') AS x"
        " FROM json_each(:rows)) k"
        " WHERE conversation_members.conversation_id = k.c AND conversation_members.user_id = k.u"
    ),
)


def over_pairs(sql: str, dialect: str, **types: UtcDateTime) -> TextualSelect:
    """Return the statement `sql` with `{pairs}` replaced by a table k (c, u) made from the parameter `keys`."""
    return text(_lite(sql) if dialect == "sqlite" else _mysql(sql)).columns(**types)


def statements(dialect: str) -> Statements:
    """Return the statements for SQLAlchemy's name of a dialect."""
    return SQLITE if dialect == "sqlite" else MYSQL
