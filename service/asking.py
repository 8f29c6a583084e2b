"""The commands that ask whether all is well: the journal, the settings, the receiver."""

from __future__ import annotations

import sys

import click

from db.connect import StoreFailure, connect
from db.journal import Journal
from dicom_gateway.peer import Peer, echo
from service.entrance import secured
from service.settings import Settings


@click.command()
@click.pass_obj
def verify(settings: Settings) -> None:
    """Check that no line of the journal was altered, removed or reordered."""
    try:
        journal = Journal(connect(settings.journal_url))
        broken = journal.verify()
    except StoreFailure as failure:
        raise click.ClickException(str(failure)) from None
    if broken is not None:
        click.echo(f"line {broken.number}: {broken.reason}")
        sys.exit(1)
    click.echo(f"{journal.head()} lines, unbroken")


@click.command("echo")
@click.pass_obj
def echo_receiver(settings: Settings) -> None:
    """Ask the receiver of these settings for a C-ECHO."""
    peer = Peer(host=settings.dicom_host, port=settings.dicom_port, called=settings.ae_title, calling="CEMENTWATCH")
    if not echo(secured(peer, settings)):
        raise click.ClickException(f"no answer at port {settings.dicom_port}")
    click.echo("the receiver answers")


@click.command("check")
@click.pass_obj
def check_settings(settings: Settings) -> None:
    """Say in words what is wrong with the settings, and ask each peer for a C-ECHO; exit 1 when something is."""
    from service.check import check

    n_wrong = 0
    for each in check(settings):
        n_wrong += not each.is_well
        click.echo(f"{'ok   ' if each.is_well else 'WRONG'}  {each.about}: {each.words}")
    click.echo("nothing is wrong" if n_wrong == 0 else f"{n_wrong} to be mended")
    sys.exit(n_wrong > 0)
