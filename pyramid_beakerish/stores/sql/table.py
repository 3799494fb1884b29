"""The table, and the statements that the store has for it."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Double,
    Index,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ..base import encode_key

if TYPE_CHECKING:
    from sqlalchemy import Executable

#: Our table is ``<table_name>_entries``, so that it is never the one that Beaker made.
SUFFIX = "_entries"
DEFAULT_NAME = "beakerish"

#: ``expires`` of entries that never expire: a number, so that no condition has a special case.
FOREVER = 1e18

#: Bytes of a key that fit an index of every database; a longer key is cut and gets its hash.
LONGEST_KEY = 254
CUT_AT = 215

#: How many keys one statement lists.
BATCH = 500

#: How many expired entries are removed at once.
SWEPT_AT_ONCE = 100

MYSQL = ("mysql", "mariadb")
UPSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def pack_key(key: str) -> tuple[bytes, bytes | None]:
    """Give what the columns ``key`` and ``rest`` hold for any string.

    A cut key has 255 bytes, more than any whole one.
    """
    whole = encode_key(key)
    if len(whole) <= LONGEST_KEY:
        return whole, None
    digest = blake2b(whole, digest_size=20).hexdigest()
    return whole[:CUT_AT] + digest.encode(), whole[CUT_AT:]


def unpack_key(packed: bytes, rest: bytes | None) -> bytes:
    """Give the whole key of the two columns, encoded."""
    return packed if rest is None else packed[:CUT_AT] + rest


def make_table(name: str | None, schema: str | None) -> Table:
    """Describe our table; ``name`` is the setting table_name."""
    # Keys are bytes: no collation of any database takes two of them for one.
    short = LargeBinary().with_variant(mysql.VARBINARY(LONGEST_KEY + 1), *MYSQL)
    write_id = LargeBinary().with_variant(mysql.VARBINARY(8), *MYSQL)
    long = LargeBinary().with_variant(mysql.LONGBLOB(), *MYSQL)
    full_name = (name or DEFAULT_NAME) + SUFFIX
    return Table(
        full_name,
        MetaData(),
        Column("key", short, primary_key=True),
        Column("rest", long, nullable=True),
        Column("write_id", write_id, nullable=False),
        Column("expires", Double(), nullable=False),
        Column("value", long, nullable=False),
        Index(f"{full_name}_expires", "expires"),
        schema=schema,
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )


class Statements:
    """Every statement of the store, in the dialect of one database.

    Each is atomic by itself. ``create`` is a sequence: the first one that changes a row has
    done the work.
    """

    def __init__(self, table: Table, dialect: str) -> None:
        columns = table.c
        this = columns.key == bindparam("this")
        alive = columns.expires > bindparam("now")
        expired = columns.expires <= bindparam("now")
        these = columns.key.in_(bindparam("these", expanding=True))
        new: dict[str, Any] = {
            name: bindparam(f"new_{name}") for name in ("write_id", "expires", "value")
        }
        unchanged = columns.write_id == bindparam("token")

        self.load = select(columns.value).where(this, alive)
        self.load_many = select(columns.key, columns.value).where(these, alive)
        self.write_id = select(columns.write_id).where(this)
        self.swap = update(table).where(this, unchanged, alive).values(new)
        self.delete = delete(table).where(this, alive)
        self.delete_unchanged = self.delete.where(unchanged)
        listed = select(columns.key, columns.rest).where(columns.key >= bindparam("first"), alive)
        self.keys = listed.order_by(columns.key).limit(BATCH)
        oldest = select(columns.key).where(expired).order_by(columns.expires)
        self.expired = oldest.limit(SWEPT_AT_ONCE)
        self.remove_expired = delete(table).where(these, expired)

        #: Asks how many bytes a statement may have, where that is limited.
        self.limit = text("SELECT @@max_allowed_packet") if dialect in MYSQL else None

        row = {"key": bindparam("this"), "rest": bindparam("rest"), **new}
        if dialect in MYSQL:
            # One statement could not tell an insertion from a conflict that changed nothing:
            # https://dev.mysql.com/doc/refman/8.4/en/insert-on-duplicate.html (CLIENT_FOUND_ROWS)
            replace = update(table).where(this, expired).values(new)
            self.create: tuple[Executable, ...] = (
                insert(table).values(row),
                replace,
                insert(table).values(row),
            )
            on_mysql = mysql.insert(table).values(row)
            inserted = {name: on_mysql.inserted[name] for name in new}
            self.set: Executable = on_mysql.on_duplicate_key_update(inserted)
        else:
            upsert = UPSERTS[dialect](table).values(row)
            excluded = {name: upsert.excluded[name] for name in new}
            conflict = {"index_elements": ["key"], "set_": excluded}
            self.create = (upsert.on_conflict_do_update(**conflict, where=expired),)
            self.set = upsert.on_conflict_do_update(**conflict)
