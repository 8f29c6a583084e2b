"""The way to the database, its schema, and the two things that can go wrong with it.

::

    StoreFailure              nothing was written
    |- StoreUnreachable       busy, down, disk full: the same call may succeed later
    `- JournalBroken          the record contradicts itself: do not write on, tell a person
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, Insert, Select, Table, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from db.gathered import BitOr, Gathering

__all__ = [
    "Engine",
    "JournalBroken",
    "Source",
    "StoreFailure",
    "StoreUnreachable",
    "appending",
    "before_use",
    "borrowed",
    "connect",
    "insert_new",
    "reading",
    "row_of",
    "rows_of",
    "snapshot",
    "upsert",
    "writing",
]
"""``Engine`` too: whoever hands one on need not know whose it is."""

PATIENCE_S = 10
"""How long a writer waits for another writer before it gives up; an alarm must not hang on a lock for ever."""

_APPEND_LOCK = 0x63656D01
_MIGRATE_LOCK = 0x63656D02
_WRITES = "cementwatch_writes"


class StoreFailure(Exception):
    """The database did not do what was asked; nothing was written."""


class StoreUnreachable(StoreFailure):
    """The database is busy, down or full; the same call may succeed later."""


class JournalBroken(StoreFailure):
    """The record contradicts itself or is not one of ours; writing on would hide it."""


def connect(url: str, *, is_kept: bool = True) -> Engine:
    """The database at ``url`` (SQLite file or PostgreSQL) with its schema brought up to date.

    A SQLite file that is not kept waits for no disk: nobody asks for it after a power cut. Safe to call from several
    processes at once. Raises StoreUnreachable, or JournalBroken when the schema is
    newer than this program; ValueError for a URL of another kind.
    """
    place = make_url(url)
    match place.get_backend_name():
        case "sqlite":
            return _connect_sqlite(place, is_kept=is_kept)
        case "postgresql" | "postgres":
            return _connect_postgresql(place)
        case other:
            raise ValueError(f"database_url: expected sqlite or postgresql, not {other}")


@contextmanager
def borrowed(path: Path) -> Iterator[Engine]:
    """A SQLite journal that is thrown away afterwards and has its schema already; it waits for no disk.

    The engine has served others before and will again: put into words anew for each of many short journals, its
    statements would take as long as the judging of some frames. What waits at the end (``before_use``) is not written.
    """
    engine, place = _IDLE.pop() if _IDLE else _roaming()
    place[:] = [path]
    try:
        yield engine
    finally:
        _WAITING.pop(engine, None)
        engine.dispose()
        _IDLE.append((engine, place))


_IDLE: list[tuple[Engine, list[Path]]] = []
"""Engines that nobody has borrowed, each with the place of its file."""


_WAITING: WeakKeyDictionary[Engine, Callable[[], object]] = WeakKeyDictionary()
"""Who writes what waits for an engine."""


def before_use(engine: Engine, write: Callable[[], object]) -> None:
    """Have ``write`` called before anyone reads from ``engine`` or writes to it: so nobody sees that something waits.

    In place of what was to be called before. What it raises is raised to whoever reads or writes.
    """
    _WAITING[engine] = write


def _write_what_waits(engine: Engine) -> None:
    write = _WAITING.get(engine)
    if write is not None:
        write()


def _roaming() -> tuple[Engine, list[Path]]:
    place: list[Path] = []

    def open_there() -> sqlite3.Connection:
        return sqlite3.connect(place[0], timeout=PATIENCE_S, check_same_thread=False)

    engine = create_engine("sqlite://", creator=open_there, poolclass=QueuePool, pool_size=8, hide_parameters=True)
    _listen(engine, is_kept=False)
    return engine, place


Source = Engine | Connection
"""Where to read: a database, or a snapshot of it that several questions share."""


@contextmanager
def reading(source: Source) -> Iterator[Connection]:
    """A connection to read from, in one transaction; of a snapshot that snapshot."""
    if isinstance(source, Connection):
        yield source
        return
    _write_what_waits(source)
    with _told_plainly(), source.connect() as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection to read from that sees the database as it was at its first question, whatever is written meanwhile."""
    is_postgresql = engine.dialect.name == "postgresql"
    told = engine.execution_options(isolation_level="REPEATABLE READ") if is_postgresql else engine
    with reading(told) as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes; on SQLite it is the only writer from its first moment (BEGIN IMMEDIATE)."""
    _write_what_waits(engine)
    # told to the connection, not to an engine of its own: that would ask two lists of listeners at each statement
    with _told_plainly(), engine.connect() as connection, connection.execution_options(**{_WRITES: True}).begin():
        yield connection


@contextmanager
def appending(engine: Engine) -> Iterator[Connection]:
    """A transaction that may add lines to the journal: one at a time over all processes."""
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPEND_LOCK})
        yield connection


def rows_of(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    """What ``query`` finds, each row by its column names."""
    return [row._asdict() for row in connection.execute(query)]


def row_of(connection: Connection, query: Select[Any]) -> dict[str, Any] | None:
    """The first row that ``query`` finds."""
    return next(iter(rows_of(connection, query.limit(1))), None)


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write whole ``rows``, in place of those with the same primary key."""
    if rows:
        connection.execute(_upserting(table, connection.dialect.name), rows)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write those ``rows`` whose primary key is not there yet."""
    if rows:
        connection.execute(_inserting_new(table, connection.dialect.name), rows)


@cache
def _upserting(table: Table, dialect: str) -> Insert:
    """The statement: made once, for the making takes as long as the writing."""
    statement = _insert_into(table, dialect)
    told = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    made: Insert = statement.on_conflict_do_update(index_elements=table.primary_key, set_=told)
    return made


@cache
def _inserting_new(table: Table, dialect: str) -> Insert:
    made: Insert = _insert_into(table, dialect).on_conflict_do_nothing(index_elements=table.primary_key)
    return made


def _insert_into(table: Table, dialect: str) -> Any:
    if dialect == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # with all of its drivers: nothing for who has none of it

    return postgresql.insert(table)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Foreign errors become ours.

    What a driver says about rows is dropped, it may quote a patient; what it says about the way to the database stays.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        first_line = str(error.orig).partition("\n")[0]
        raise StoreUnreachable(f"{_name_of(error)}: {first_line}") from None
    except DBAPIError as error:
        raise JournalBroken(_name_of(error)) from None
    except sqlite3.OperationalError as error:  # of BEGIN, which is said to the driver itself
        raise StoreUnreachable(f"OperationalError {error.sqlite_errorname}: {error}") from None
    except sqlite3.DatabaseError as error:  # likewise
        raise JournalBroken(f"{type(error).__name__} {getattr(error, 'sqlite_errorname', '')}".strip()) from None
    except PoolTimeout:
        raise StoreUnreachable("all connections to the database are taken") from None


def _name_of(error: DBAPIError) -> str:
    told = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    return f"{type(error.orig).__name__} {told or ''}".strip()


@contextmanager
def _let_go_on_failure(engine: Engine) -> Iterator[None]:
    """A database that could not be set up leaves no connection behind."""
    try:
        yield
    except (StoreFailure, OSError) as error:
        engine.dispose()
        if isinstance(error, OSError):
            raise StoreUnreachable(error.strerror or type(error).__name__) from None
        raise


def _connect_sqlite(place: URL, *, is_kept: bool) -> Engine:
    if not place.database or place.database == ":memory:":
        raise ValueError("database_url: SQLite needs a file, several processes share it")
    path = Path(place.database)
    engine = create_engine(
        place,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=56,
        hide_parameters=True,
        connect_args={"timeout": PATIENCE_S, "check_same_thread": False},
    )
    _listen(engine, is_kept=is_kept)
    with _let_go_on_failure(engine):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(path.name + ".lock").open("w") as turn:
            # The switch to WAL does not wait its turn by itself, so whole set-ups take turns here.
            fcntl.flock(turn, fcntl.LOCK_EX)
            with _told_plainly(), engine.connect() as connection:
                connection.exec_driver_sql("ROLLBACK")
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                connection.exec_driver_sql("BEGIN")
            with writing(engine) as connection:
                _migrate(connection)
    return engine


def _listen(engine: Engine, *, is_kept: bool) -> None:
    event.listen(engine, "connect", _prepare_sqlite)
    if not is_kept:
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
    event.listen(engine, "begin", _begin_sqlite)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    for line in ("synchronous = FULL", "foreign_keys = ON", "recursive_triggers = ON", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {line}")
    connection.create_aggregate("gathered", -1, Gathering)
    connection.create_aggregate("bit_or", 1, BitOr)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred BEGIN that writes later can fail with SQLITE_BUSY at once, whatever the patience.
    is_writer = connection.get_execution_options().get(_WRITES, False)
    # Said to the driver itself: by way of a statement it takes as long as a line of the journal.
    driver: Any = connection.connection.dbapi_connection
    driver.execute("BEGIN IMMEDIATE" if is_writer else "BEGIN")


def _connect_postgresql(place: URL) -> Engine:
    defaults: dict[str, Any] = {
        "connect_timeout": 5,
        "tcp_user_timeout": PATIENCE_S * 1000,
        "options": f"-c lock_timeout={PATIENCE_S}s -c idle_in_transaction_session_timeout=60s -c TimeZone=UTC",
    }
    if find_spec("psycopg") is None:
        raise ValueError("database_url: PostgreSQL needs the extra 'postgresql'")
    engine = create_engine(
        place.set(drivername="postgresql+psycopg"),
        pool_size=8,
        max_overflow=24,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={name: value for name, value in defaults.items() if name not in place.query},
    )
    with _let_go_on_failure(engine), writing(engine) as connection:
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATE_LOCK})
        _migrate(connection)
    return engine


def _migrate(connection: Connection) -> None:
    """Bring the schema up to date; what migrates is not even loaded where nothing is to be done, at nearly every start."""
    folder = Path(__file__).parent / "migrations"
    if inspect(connection).has_table("alembic_version"):
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if version == newest_migration(folder):
            return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise JournalBroken("the database has a schema that this version of cementwatch does not know") from None


def newest_migration(folder: Path) -> str:
    """The revision that the newest file of migrations brings: files are named as what they bring, and count."""
    return max(path.stem for path in (folder / "versions").glob("[0-9]*.py"))
