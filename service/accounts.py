"""Commands about who may come in: ``cementwatch user ...`` and ``cementwatch token ...``.

A password is asked for or read from a file, never taken from the command line, where every process could read it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

import click

from db import users as store
from db.connect import Engine, StoreFailure, connect
from service import passwords
from service.api.permissions import SCOPES_OF, Role, Scope
from service.bell import Bell
from service.settings import Settings
from service.settings_log import os_user

NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
RESERVED = frozenset({"local"})
DAY_S = 86400.0


def named(_context: click.Context, _option: click.Parameter, name: str) -> str:
    """A name that the journal can show without doubt who is meant."""
    if not NAME.fullmatch(name) or name in RESERVED:
        raise click.BadParameter("expected a to z, then up to 31 of a to z, 0 to 9, '.', '_' and '-'; 'local' is taken")
    return name


password_file = click.option(
    "--password-file",
    type=click.File("r", lazy=True),
    help="File whose first line is the password; '-' reads standard input.",
)
name_argument = click.argument("name", callback=named)


@click.group()
def user() -> None:
    """People who may sign in."""


@user.command("add")
@name_argument
@click.option(
    "--role", type=click.Choice([str(role) for role in Role]), required=True, help="What this person is there for."
)
@password_file
@click.pass_obj
def add_user(settings: Settings, name: str, role: str, password_file: TextIO | None) -> None:
    """Let a person sign in."""
    kept = passwords.hash_password(_password(password_file))
    by = _by_whoever_types()
    made = store.User(name=name, role=str(Role(role)), password_hash=kept, created_at=by.at)
    _change(settings, lambda engine: store.add_user(engine, made, by))
    click.echo(f"user {name}, {role}: may {', '.join(sorted(SCOPES_OF[Role(role)]))}")


@user.command("list")
@click.pass_obj
def list_users(settings: Settings) -> None:
    """Everybody who may or might sign in."""
    for each in _register(settings).users.values():
        state = "" if each.disabled_at is None else f"  disabled {_date(each.disabled_at)}"
        click.echo(f"{each.name:32} {each.role:9} since {_date(each.created_at)}{state}")


@user.command("disable")
@name_argument
@click.option("--even-last", is_flag=True, help="Also the last user, or the last admin, who may sign in.")
@click.pass_obj
def disable_user(settings: Settings, name: str, *, even_last: bool) -> None:
    """Sign a person out everywhere, for good; the name stays taken, because the journal names it."""
    cost = _cost_of_losing(name, _register(settings))
    if cost and not even_last:
        raise click.ClickException(
            f"{cost} Make another first with 'cementwatch user add NAME --role admin', or say --even-last."
        )
    _change(settings, lambda engine: store.disable_user(engine, name, _by_whoever_types()))
    click.echo(f"user {name} is disabled")
    if cost:
        click.echo(cost, err=True)


@user.command("password")
@name_argument
@password_file
@click.pass_obj
def change_password(settings: Settings, name: str, password_file: TextIO | None) -> None:
    """Give a person a new password and sign them out everywhere."""
    kept = passwords.hash_password(_password(password_file))
    _change(settings, lambda engine: store.change_password(engine, name, kept, _by_whoever_types()))
    click.echo(f"user {name} has a new password")


@click.group()
def token() -> None:
    """Programs that may ask."""


@token.command("add")
@name_argument
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([str(scope) for scope in Scope]),
    multiple=True,
    required=True,
    help="What it may; repeat.",
)
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="How long it is valid.")
@click.pass_obj
def add_token(settings: Settings, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a token and print it, once: only its hash is kept."""
    told, by = passwords.new_token(), _by_whoever_types()
    made = store.Token(
        name=name,
        hash=passwords.digest_of(told),
        scopes=tuple(str(Scope(scope)) for scope in scopes),
        created_at=by.at,
        expires_at=by.at + days * DAY_S,
    )
    _change(settings, lambda engine: store.add_token(engine, made, by))
    click.echo(told)
    click.echo(
        f"token {name}: may {', '.join(made.scopes)} until {_date(made.expires_at)}; it is not shown again", err=True
    )


@token.command("list")
@click.pass_obj
def list_tokens(settings: Settings) -> None:
    """Every token by name; none can be shown again."""
    for each in _register(settings).tokens.values():
        state = "" if each.revoked_at is None else f"  revoked {_date(each.revoked_at)}"
        click.echo(f"{each.name:32} {','.join(each.scopes):30} until {_date(each.expires_at)}{state}")


@token.command("revoke")
@name_argument
@click.pass_obj
def revoke_token(settings: Settings, name: str) -> None:
    """Make a token worthless."""
    _change(settings, lambda engine: store.revoke_token(engine, name, _by_whoever_types()))
    click.echo(f"token {name} is revoked")


def _password(file: TextIO | None) -> str:
    if file is None:
        told: Any = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        told = file.readline().rstrip("\r\n")
    if fault := passwords.fault_of(told):
        raise click.ClickException(fault)
    return str(told)


def _cost_of_losing(name: str, register: store.Register) -> str | None:
    """What nobody can do any more without this user; None when others can."""
    active = [each for each in register.users.values() if each.disabled_at is None]
    others = [each for each in active if each.name != name]
    if len(others) == len(active):
        return None
    if not others:
        return (
            f"Without {name} nobody may sign in: local requests are not let in instead, "
            "and a server that other machines reach does not start."
        )
    admin = str(Role.ADMIN)
    if any(each.role == admin for each in active) and all(each.role != admin for each in others):
        return f"Without {name} there is no admin, and nobody may read the audit."
    return None


def _by_whoever_types() -> store.Deed:
    return store.Deed(actor=f"os:{os_user()}", at=time.time())


def _change(settings: Settings, act: Callable[[Engine], None]) -> None:
    try:
        act(connect(settings.journal_url))
    except (ValueError, LookupError, StoreFailure) as failure:
        raise click.ClickException(str(failure.args[0])) from None
    Bell(settings.data_dir / "bells").ring()


def _register(settings: Settings) -> store.Register:
    try:
        return store.read_register(connect(settings.journal_url))
    except StoreFailure as failure:
        raise click.ClickException(str(failure)) from None


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
