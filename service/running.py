"""The commands that start a role. What a role needs is loaded by the role itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from service import roles
from service.exposure import TooExposed
from service.logs import start_logging
from service.settings import Settings


@click.command("all")
@click.pass_obj
def run_all(settings: Settings) -> None:
    """Run and supervise all roles on this machine."""
    start_logging("all")
    with _told_to_people():
        roles.run_all(settings)


@click.command()
@click.pass_obj
def receive(settings: Settings) -> None:
    """Receive DICOM objects into the spool."""
    start_logging("receive")
    roles.run_receive(settings)


@click.command()
@click.pass_obj
def watch(settings: Settings) -> None:
    """Judge what the spool holds and write the journal."""
    start_logging("watch")
    roles.run_watch(settings)


@click.command()
@click.pass_obj
def serve(settings: Settings) -> None:
    """Serve alerts, logs and the page over HTTP."""
    start_logging("serve")
    with _told_to_people():
        roles.run_serve(settings)


@click.command()
@click.option("--retry", metavar="ARCHIVE", help="Send once more what this archive has refused, and end.")
@click.option("--dismiss", metavar="ARCHIVE", help="Give up what this archive has refused, and end: it may be removed.")
@click.pass_obj
def forward(settings: Settings, retry: str | None, dismiss: str | None) -> None:
    """Forward every stored object to the archives of the settings."""
    if retry or dismiss:
        click.echo(_settle_refused(settings, retry, dismiss))
        return
    start_logging("forward")
    roles.run_forward(settings)


def _settle_refused(settings: Settings, retry: str | None, dismiss: str | None) -> str:
    from db.connect import StoreFailure, connect
    from db.deliveries import Stage, settle_refused
    from service.settings_log import os_user

    name, state = (retry, Stage.WAITING) if retry else (dismiss or "", Stage.DISMISSED)
    if (retry and dismiss) or name not in {archive.name for archive in settings.archives}:
        raise click.UsageError("expected --retry or --dismiss with the name of an archive of the settings")
    try:
        engine = connect(settings.journal_url)
        n_settled = settle_refused(engine, name, state, at=time.time(), who=f"os:{os_user()}")
    except StoreFailure as failure:
        raise click.ClickException(str(failure)) from None
    return f"{n_settled} objects {'will be sent again' if retry else 'are given up'}"


@click.command()
@click.pass_obj
def mirror(settings: Settings) -> None:
    """Tell webhook, MQTT broker and HL7 receiver of alerts, as far as they are set."""
    start_logging("mirror")
    roles.run_mirror(settings)


@click.command("play-replay", hidden=True)
@click.argument("id")
@click.pass_obj
def play_replay(settings: Settings, id: str) -> None:
    """Send one queued replay; started by the HTTP role."""
    from db.connect import connect
    from service import replays

    start_logging("replay")
    replays.play_replay(settings, connect(settings.journal_url), id, now=time.time, sleep=time.sleep)


@contextmanager
def _told_to_people() -> Iterator[None]:
    """What must be mended before it can start, as one sentence."""
    try:
        yield
    except TooExposed as refusal:
        raise click.ClickException(str(refusal)) from None
