"""The way to the database: one schema on both, plain errors, no patient in them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, text

from db.connect import (
    JournalBroken,
    StoreFailure,
    StoreUnreachable,
    borrowed,
    connect,
    newest_migration,
    reading,
    writing,
)
from db.journal import Journal
from db.tables import PROCEDURE, metadata
from tests.conftest import CHECKOUT
from tests.db.lines import note


def test_the_migrations_make_the_tables_that_the_program_expects(engine):
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_connecting_again_keeps_what_is_there(url, journal):
    journal.append([note()])
    again = connect(url)
    assert Journal(again).head() == 1
    again.dispose()


def test_the_newest_file_of_migrations_is_named_as_what_it_brings():
    folder = CHECKOUT / "db" / "migrations"
    assert newest_migration(folder) == ScriptDirectory(str(folder)).get_current_head()


def test_the_schema_of_a_newer_version_is_refused(url, engine):
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(JournalBroken, match="does not know"):
        connect(url)


def test_sqlite_writes_ahead_and_syncs_every_commit(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/j.sqlite")
    with reading(engine) as connection:
        told = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")}
    assert told == {"journal_mode": "wal", "synchronous": 2}
    engine.dispose()


def test_a_sqlite_file_that_is_not_kept_waits_for_no_disk(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/j.sqlite", is_kept=False)
    with reading(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 0
    engine.dispose()


def test_one_engine_serves_journal_after_journal_and_never_two_at_once(tmp_path):
    connect(f"sqlite:///{tmp_path}/empty.sqlite").dispose()
    paths = [tmp_path / f"{n}.sqlite" for n in range(3)]
    for path in paths:
        path.write_bytes((tmp_path / "empty.sqlite").read_bytes())
    with borrowed(paths[0]) as first, borrowed(paths[1]) as second:
        assert first is not second
        Journal(first).append([note()])
        Journal(second).append([note(), note()])
        assert (Journal(first).head(), Journal(second).head()) == (1, 2)
        with reading(first) as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 0, "waits for no disk"
    with borrowed(paths[2]) as third:
        assert third in {first, second}
        assert Journal(third).head() == 0
    with borrowed(paths[1]) as again:
        assert Journal(again).verify() is None
        assert Journal(again).head() == 2


@pytest.mark.parametrize("odd", ["100% sure", "a b", "ü"])
def test_odd_folder_names_do_no_harm(tmp_path, odd):
    engine = connect(f"sqlite:///{tmp_path}/{odd}/j.sqlite")
    assert (tmp_path / odd / "j.sqlite").exists()
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_several_processes_cannot_share_is_refused(url):
    with pytest.raises(ValueError, match="database_url"):
        connect(url)


def test_a_server_that_is_down_is_unreachable(free_port):
    with pytest.raises(StoreUnreachable, match="onnection"):
        connect(f"postgresql://cementwatch:secret@127.0.0.1:{free_port}/none")


def test_a_password_is_not_told(free_port):
    with pytest.raises(StoreUnreachable) as told:
        connect(f"postgresql://cementwatch:secret@127.0.0.1:{free_port}/none")
    assert "secret" not in str(told.value)


def test_a_folder_that_cannot_be_made_is_unreachable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnreachable):
        connect(f"sqlite:///{tmp_path}/file/j.sqlite")


def test_a_file_that_is_no_database_is_broken(tmp_path):
    (tmp_path / "j.sqlite").write_bytes(b"this is a letter, not a database" * 200)
    with pytest.raises(JournalBroken):
        connect(f"sqlite:///{tmp_path}/j.sqlite")


def test_a_file_that_is_damaged_while_it_is_open_is_broken(tmp_path):
    path = tmp_path / "j.sqlite"
    engine = connect(f"sqlite:///{path}")
    with reading(engine) as connection:
        connection.execute(text("SELECT 1 FROM entry"))
    with closing(sqlite3.connect(path)) as other:  # what the engine has read of the file counts for nothing any more
        other.execute("CREATE TABLE other (number)")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(b"x" * 100)
    for use in (writing, reading):
        with pytest.raises(JournalBroken), use(engine) as connection:
            connection.execute(text("SELECT 1 FROM entry"))


def test_an_error_does_not_quote_the_patient(engine):
    row = {"id": "p", "patient": "CANARY^PATIENT", "kind": None}
    with pytest.raises(StoreFailure) as told, writing(engine) as connection:
        connection.execute(insert(PROCEDURE), [row])
    seen, error = "", told.value
    while error is not None:
        seen += repr(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "CANARY" not in seen


def test_a_writer_waits_its_turn_and_a_reader_does_not(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/j.sqlite")
    journal = Journal(engine)
    with writing(engine) as connection:
        connection.execute(text("UPDATE chain SET alerts_number = 5"))
        assert journal.alerts_head() == 0
    assert journal.alerts_head() == 5
    engine.dispose()
