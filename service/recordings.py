"""The commands that take a procedure out: as a folder or lines, as FHIR, as DICOM objects."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path

import click

from db import procedures
from db.connect import Engine, StoreFailure, connect
from db.journal import Journal
from detection.vocabulary import NO_PROCEDURE, Entry, EntryType
from dicom_gateway.confidential import Choice
from dicom_gateway.refusal import GatewayError
from dicom_gateway.spool import Spool
from service.dispatch import NOTHING, dispatch
from service.export import Exporter, NotThere
from service.fhir.bundle import as_json, bundle_of
from service.fhir.dossier import dossier_of
from service.fhir.post import NeverTaken, send_procedure, sender
from service.gather import NothingToReport
from service.mirror import NotTaken
from service.packed import export_packed, is_packed
from service.safety import SAFETY_WORDS
from service.settings import Settings
from service.settings_log import os_user

NEW_FOLDER = click.Path(path_type=Path)


@click.command("export")
@click.argument("procedure", required=False)
@click.option("--procedure", "named", help="Only this procedure; the same as the argument.")
@click.option("--after", type=click.IntRange(min=0), default=0, show_default=True, help="Only lines after this number.")
@click.option("--out", type=NEW_FOLDER, help="New folder, or zip file, for images, log and landmarks of the procedure.")
@click.option("--deidentify", is_flag=True, help="Without identity; docs/export.md says what that is.")
@click.option("--keep-dates", is_flag=True, help="With --deidentify: dates as they are; else they are moved.")
@click.option("--keep-device", is_flag=True, help="With --deidentify: maker, model, serial number of the device.")
@click.option("--actor", hidden=True, help="Who asked, for the journal.")
@click.pass_obj
def export(
    settings: Settings,
    /,
    procedure: str | None,
    named: str | None,
    after: int,
    out: Path | None,
    actor: str | None,
    **wishes: bool,
) -> None:
    """Print the journal as JSON lines, or write a procedure into a folder.

    Each printed line's hash can be checked without this program (docs/access.md).
    """
    id = procedure or named
    if out is None:
        if any(wishes.values()):
            raise click.UsageError("expected --out with a new folder")
        _print_journal(settings, id, after)
    elif id is None or after:
        raise click.UsageError("expected the id of a procedure, and no --after")
    else:
        _write_folder(settings, id, out, _choice_of(**wishes), actor or f"os:{os_user()}")


def _choice_of(*, deidentify: bool, keep_dates: bool, keep_device: bool) -> Choice | None:
    if deidentify:
        return Choice(keeps_dates=keep_dates, keeps_device=keep_device)
    if keep_dates or keep_device:
        raise click.UsageError("--keep-dates and --keep-device go with --deidentify")
    return None


def _print_journal(settings: Settings, procedure: str | None, after: int) -> None:
    try:
        journal = Journal(connect(settings.journal_url))
        click.echo(json.dumps({"safety": SAFETY_WORDS}))
        for line in journal.records(procedure, after):
            click.echo(line)
    except StoreFailure as failure:
        raise click.ClickException(str(failure)) from None


def _write_folder(settings: Settings, id: str, out: Path, choice: Choice | None, actor: str) -> None:
    """The export, and before it the line in the journal that says who took it."""
    try:
        engine = connect(settings.journal_url)
        exporter = Exporter(settings=settings, engine=engine, spool=Spool(settings.spool_dir))
        exporter.find(id)
        _tell_taken(engine, id, actor, form="images and log", without_identity=choice is not None)
        write = partial(export_packed, exporter) if is_packed(out) else exporter.export
        exported = write(id, out, choice)
    except (StoreFailure, NotThere) as failure:
        raise click.ClickException(str(failure)) from None
    except OSError as error:
        raise click.ClickException(f"the export was not written: {error.strerror or error}") from None
    click.echo(SAFETY_WORDS, err=True)
    told = f"{len(exported.images)} images with {exported.n_frames} frames and {exported.n_lines} lines of the log"
    click.echo(f"{told}; report.txt says what was removed" if choice else told)
    for reason, n_objects in sorted(exported.left_out.items()):
        click.echo(f"{n_objects} objects left out: {reason}", err=True)
    if choice is not None and exported.undeclared:
        click.echo("look at the pictures: nobody has told where text is burnt in (sources.toml)", err=True)


@click.command("fhir")
@click.argument("procedure")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="New file for the bundle.")
@click.option("--send", "is_sent", is_flag=True, help="Send it to the FHIR server of the settings, once and now.")
@click.pass_obj
def write_bundle(settings: Settings, procedure: str, out: Path | None, is_sent: bool) -> None:  # noqa: FBT001 - click's shape
    """Write a procedure as a transaction of FHIR R4 with the patient as the images name them, or send it; docs/fhir.md."""
    if (out is None) == (not is_sent):
        raise click.UsageError("expected either --out with a new file or --send")
    try:
        engine = connect(settings.journal_url)
        if out is None:
            told = _send_bundle(settings, engine, procedure)
        else:
            dossier = dossier_of(settings, engine, procedure, at=time.time())
            _tell_taken(engine, procedure, f"os:{os_user()}", form="FHIR bundle")
            bundle = bundle_of(dossier)
            with out.open("xb") as file:
                out.chmod(0o640)  # it names the patient
                file.write(as_json(bundle))
            told = f"{len(bundle['entry'])} resources written"
    except KeyError:
        raise click.ClickException("there is no such procedure") from None
    except StoreFailure as failure:
        raise click.ClickException(str(failure)) from None
    except OSError as error:
        raise click.ClickException(f"the bundle was not written: {error.strerror or error}") from None
    click.echo(SAFETY_WORDS, err=True)
    click.echo(told)


def _send_bundle(settings: Settings, engine: Engine, procedure: str) -> str:
    if settings.fhir_server is None:
        raise click.UsageError("expected the setting fhir_server")
    known = procedures.procedure(engine, procedure)
    if known is not None and known.replay is not None:
        raise click.UsageError("a replay is sent to nobody")
    try:
        send, actor = sender(settings.fhir_server), f"os:{os_user()}"
        n_sent = send_procedure(settings, engine, send, procedure, at=time.time(), actor=actor)
    except NothingToReport as nothing:
        raise click.ClickException(f"there is nothing to send: {nothing}") from None
    except (NotTaken, NeverTaken) as refusal:
        raise click.ClickException(f"the FHIR server did not take it: {refusal}") from None
    return f"{n_sent} resources sent"


def _tell_taken(engine: Engine, procedure: str, actor: str, **said: object) -> None:
    """The line in the journal that says who takes what, before a byte is written."""
    taken = Entry(
        at=time.time(),
        type=EntryType.EXPORTED,
        procedure=NO_PROCEDURE,
        actor=actor,
        data={"procedure": procedure, **said},
    )
    Journal(engine).append([taken])


@click.command("results")
@click.argument("procedure")
@click.option("--actor", hidden=True, help="Who asked, for the journal.")
@click.pass_obj
def make_objects(settings: Settings, procedure: str, actor: str | None) -> None:
    """Write the findings of a procedure as DICOM objects, and queue them for the archives; twice is once."""
    try:
        made = dispatch(
            settings, connect(settings.journal_url), procedure, at=time.time(), actor=actor or f"os:{os_user()}"
        )
    except NothingToReport as nothing:
        click.echo(json.dumps({"nothing": str(nothing)}))
        sys.exit(NOTHING)
    except KeyError:
        raise click.ClickException("there is no such procedure") from None
    except (GatewayError, StoreFailure) as failure:
        raise click.ClickException(str(failure)) from None
    for each in made:
        click.echo(
            json.dumps({"form": each.form, "file": str(each.path), "bytes": each.n_bytes, "is_new": each.is_new})
        )
    click.echo(SAFETY_WORDS, err=True)
