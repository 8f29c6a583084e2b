"""Who may come in: each change is one line of the journal, and nothing that opens a door stands in the database."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from db import queries
from db.connect import connect
from db.heartbeat import last_sign
from db.users import (
    Deed,
    Session,
    Token,
    User,
    add_token,
    add_user,
    begin_session,
    change_password,
    disable_user,
    end_session,
    read_register,
    register_number,
    revoke_token,
)
from detection.vocabulary import AUDIT, NO_PROCEDURE, EntryType
from tests.conftest import CHECKOUT

BY = Deed(actor="os:root", at=50.0)
ANNA = User(name="anna", role="operator", password_hash="$argon2id$anna", created_at=50.0)
MONITOR = Token(name="monitor", hash="a" * 64, scopes=("read", "metrics"), created_at=50.0, expires_at=900.0)
SCREEN = Session(hash="b" * 64, user="anna", began_at=60.0, expires_at=600.0)


def told(engine):
    return [(line.type, line.actor, dict(line.data)) for line in queries.log_of(engine, NO_PROCEDURE)]


def test_a_new_database_lets_nobody_in(engine):
    register = read_register(engine)
    assert (register.number, register.users, register.tokens, register.sessions) == (0, {}, {}, {})


def test_users_tokens_and_sessions_come_back_as_they_were_given(engine):
    add_user(engine, ANNA, BY)
    add_token(engine, MONITOR, BY)
    begin_session(engine, SCREEN, "192.0.2.7")
    register = read_register(engine)
    assert register.users == {"anna": ANNA}
    assert register.tokens == {"a" * 64: MONITOR}
    assert register.sessions == {"b" * 64: SCREEN}


def test_each_change_is_a_line_that_names_who_and_what_and_no_secret(engine, journal):
    add_user(engine, ANNA, BY)
    add_token(engine, MONITOR, BY)
    begin_session(engine, SCREEN, "192.0.2.7")
    change_password(engine, "anna", "$argon2id$other", BY)
    end_session(engine, SCREEN.hash, Deed(actor="anna", at=70.0))
    revoke_token(engine, "monitor", BY)
    disable_user(engine, "anna", BY)
    assert told(engine) == [
        (EntryType.ACCESS_CHANGED, "os:root", {"user": "anna", "role": "operator", "change": "added"}),
        (EntryType.ACCESS_CHANGED, "os:root", {"token": "monitor", "scopes": ["read", "metrics"], "change": "added"}),
        (EntryType.SIGNED_IN, "anna", {"address": "192.0.2.7"}),
        (EntryType.ACCESS_CHANGED, "os:root", {"user": "anna", "change": "password"}),
        (EntryType.SIGNED_OUT, "anna", {}),
        (EntryType.ACCESS_CHANGED, "os:root", {"token": "monitor", "change": "revoked"}),
        (EntryType.ACCESS_CHANGED, "os:root", {"user": "anna", "change": "disabled"}),
    ]
    assert journal.verify() is None
    assert {line.type for line in queries.log_of(engine, NO_PROCEDURE)} <= AUDIT


def test_the_register_moves_on_with_every_change_and_with_nothing_else(engine, journal, procedure):
    before = register_number(engine)
    add_user(engine, ANNA, BY)
    after = register_number(engine)
    assert after == journal.head() > before
    queries.alerts_after(engine)
    assert register_number(engine) == after


def test_a_new_password_or_a_disabled_user_ends_every_session_of_that_user(engine):
    add_user(engine, ANNA, BY)
    add_user(engine, User(name="ben", role="viewer", password_hash="$argon2id$ben", created_at=50.0), BY)
    begin_session(engine, SCREEN, "-")
    begin_session(engine, Session(hash="c" * 64, user="ben", began_at=60.0, expires_at=600.0), "-")
    change_password(engine, "anna", "$argon2id$other", BY)
    assert set(read_register(engine).sessions) == {"c" * 64}
    disable_user(engine, "ben", BY)
    register = read_register(engine)
    assert register.sessions == {}
    assert register.users["ben"].disabled_at == 50.0


@pytest.mark.parametrize(
    "meanwhile", [lambda e: change_password(e, "anna", "$argon2id$new", BY), lambda e: disable_user(e, "anna", BY)]
)
def test_nobody_slips_in_with_a_password_that_is_changed_meanwhile(engine, journal, meanwhile):
    add_user(engine, ANNA, BY)
    begin_session(engine, SCREEN, "10.0.0.7", proven_by=ANNA.password_hash)
    meanwhile(engine)
    head = journal.head()
    with pytest.raises(LookupError):
        begin_session(engine, SCREEN, "10.0.0.7", proven_by=ANNA.password_hash)
    assert read_register(engine).sessions == {}
    assert journal.head() == head


def test_signing_in_forgets_sessions_that_are_over(engine):
    add_user(engine, ANNA, BY)
    begin_session(engine, SCREEN, "-")
    begin_session(engine, Session(hash="d" * 64, user="anna", began_at=601.0, expires_at=900.0), "-")
    assert set(read_register(engine).sessions) == {"d" * 64}


@pytest.mark.parametrize(
    "change",
    [
        lambda engine: add_user(engine, ANNA, BY),
        lambda engine: add_token(engine, MONITOR, BY),
        lambda engine: change_password(engine, "nobody", "$", BY),
        lambda engine: disable_user(engine, "nobody", BY),
        lambda engine: revoke_token(engine, "nothing", BY),
    ],
    ids=["name taken", "token taken", "no such user to change", "no such user to disable", "no such token"],
)
def test_a_change_that_cannot_be_leaves_no_line(engine, journal, change):
    add_user(engine, ANNA, BY)
    add_token(engine, MONITOR, BY)
    head = journal.head()
    with pytest.raises((ValueError, LookupError), match=r"there is (no|a) "):
        change(engine)
    assert journal.head() == head == register_number(engine)


def test_who_was_disabled_or_revoked_stays_so_since_the_first_time(engine, journal):
    add_user(engine, ANNA, BY)
    add_token(engine, MONITOR, BY)
    disable_user(engine, "anna", BY)
    revoke_token(engine, "monitor", BY)
    head, later = journal.head(), Deed(actor="os:root", at=99.0)
    for change in (disable_user, revoke_token):
        with pytest.raises(LookupError):
            change(engine, "anna" if change is disable_user else "monitor", later)
    with pytest.raises(LookupError, match="who may sign in"):
        change_password(engine, "anna", "$argon2id$new", later)
    register = read_register(engine)
    assert (register.users["anna"].disabled_at, register.tokens[MONITOR.hash].revoked_at) == (50.0, 50.0)
    assert register.users["anna"].password_hash == ANNA.password_hash
    assert journal.head() == head


def test_a_name_that_was_disabled_is_never_given_to_another_person(engine):
    add_user(engine, ANNA, BY)
    disable_user(engine, "anna", BY)
    with pytest.raises(ValueError, match="already"):
        add_user(engine, ANNA, BY)


def test_what_screens_follow_tells_nothing_of_who_came(engine, procedure):
    add_user(engine, ANNA, BY)
    begin_session(engine, SCREEN, "-")
    assert {line.procedure for line in queries.entries_after(engine, 0)} == {procedure}
    assert queries.entries_after(engine, 0, NO_PROCEDURE) == [], "not even to whoever asks for them by their place"


def test_a_database_of_the_first_release_is_brought_up_with_what_it_holds(url, tmp_path):
    (tmp_path / "store").mkdir()
    old = create_engine(url)
    with old.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(CHECKOUT / "db" / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO role (role, beat_at) VALUES ('watch', 5.0)"))
    old.dispose()
    engine = connect(url)
    assert last_sign(engine) == 5.0
    assert read_register(engine).users == {}
    add_user(engine, ANNA, BY)
    assert set(read_register(engine).users) == {"anna"}
    engine.dispose()


def test_a_token_that_could_read_the_record_goes_on_reading_it(url, tmp_path):
    (tmp_path / "store").mkdir()
    old = create_engine(url)
    with old.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(CHECKOUT / "db" / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0007_alarms")
        for name, scopes in (("monitor", "metrics read"), ("scraper", "metrics")):
            row = "INSERT INTO api_token (name, hash, scopes, created_at, expires_at) VALUES (:name, 'of ' || :name, :scopes, 0, 9)"
            connection.execute(text(row), {"name": name, "scopes": scopes})
    old.dispose()
    engine = connect(url)
    told = {token.name: set(token.scopes) for token in read_register(engine).tokens.values()}
    assert told == {"monitor": {"metrics", "read", "record"}, "scraper": {"metrics"}}
    engine.dispose()
