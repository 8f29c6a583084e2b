"""The command line of the clinical record: tables in and out, questions to many records, and a paper's numbers checked.

What counts and reads tables is loaded by the command that needs it: it takes longer than the roles take to start.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from db.connect import StoreFailure, connect
from db.record import RecordRefused
from service.api.wire import SAFETY_WORDS
from service.clinical.finding import Finding
from service.settings import Settings


@click.command("audit-table")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--records", is_flag=True, help="Hold the numbers against the clinical record instead of each other.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each finding.")
@click.pass_obj
def audit_table(settings: Settings, file: Path, *, records: bool, as_json: bool) -> None:
    """Check whether the numbers of a published summary (TOML) hold together; exit 1 when one is flagged."""
    from service.clinical.audit import Verdict, audit
    from service.clinical.published import read

    try:
        published = read(file.read_text(encoding="utf-8"))
        if records:
            from service.clinical.held import hold

            findings = hold(connect(settings.journal_url), published)
        else:
            findings = audit(published)
    except (ValueError, StoreFailure) as error:
        raise click.ClickException(str(error)) from None
    except KeyError:
        raise click.ClickException("where: expected a field of the unit, of its owners or of what it owns") from None
    _tell(findings, as_json=as_json)
    sys.exit(any(each.verdict is Verdict.FLAG for each in findings))


def _tell(findings: Sequence[Finding], *, as_json: bool) -> None:
    for each in findings:
        line = {"verdict": each.verdict, "about": each.about, "printed": each.printed, "found": each.found}
        beside = f" [{each.printed}]" if each.printed else ""
        click.echo(json.dumps(line) if as_json else f"{each.verdict:10}  {each.about}{beside}: {each.found}")
    click.echo(SAFETY_WORDS, err=True)


@click.command("simulate-records")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write into.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same patients.")
def simulate_records(file: Path, out: Path, seed: int) -> None:
    """Make patients who fit a published summary (TOML), as CSV files to import; exit 1 where none can."""
    from service.clinical.files import write_rows
    from service.clinical.published import read
    from service.clinical.simulated import simulate

    try:
        series = simulate(read(file.read_text(encoding="utf-8")), file.stem, seed)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    names = write_rows(series.rows, out, SAFETY_WORDS)
    click.echo(f"{', '.join(names)} in {out}: made to fit a summary, none of these patients ever lived")
    _tell(series.findings, as_json=False)
    sys.exit(any(each.verdict == "flag" for each in series.findings))


@click.command("cohort")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def cohort(settings: Settings, file: Path) -> None:
    """Print the tables that a page of questions (TOML) asks for, as Markdown."""
    from service.clinical.printed import page_of
    from service.clinical.questions import read_page

    try:
        page = read_page(file.read_text(encoding="utf-8"))
        for line in page_of(connect(settings.journal_url), page, SAFETY_WORDS):
            click.echo(line)
    except (ValueError, StoreFailure) as error:
        raise click.ClickException(str(error)) from None
    except KeyError:
        raise click.ClickException("where: expected a field of the unit, of its owners or of what it owns") from None


@click.command("import-records")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Look at everything, write nothing.")
@click.pass_obj
def import_records(settings: Settings, files: tuple[Path, ...], *, dry_run: bool) -> None:
    """Take records from CSV files named as the export names them (patients.csv, ...): all files or nothing."""
    from service.clinical.exchange import NoTable
    from service.clinical.files import take_files

    try:
        intake = take_files(connect(settings.journal_url), files, at=time.time(), dry_run=dry_run)
    except (NoTable, StoreFailure) as error:
        raise click.ClickException(str(error)) from None
    except RecordRefused:
        raise click.ClickException(
            "nothing was written: somebody changed the record meanwhile, or an id belongs to something withdrawn"
        ) from None
    for bad in intake.bad:
        click.echo(f"{bad.kind}, line {bad.line}, {bad.column}: {bad.expected}")
    verb = "would be" if dry_run else "were"
    n_new, n_changed = (0, 0) if intake.bad else (intake.n_new, intake.n_changed)
    click.echo(f"{n_new} {verb} added, {n_changed} {verb} changed, {intake.n_same} are there as they are")
    click.echo(SAFETY_WORDS, err=True)
    sys.exit(bool(intake.bad))


@click.command("export-records")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write into.")
@click.pass_obj
def export_records(settings: Settings, out: Path) -> None:
    """Write every kind of record as a CSV file, with the dictionary of all columns."""
    from service.clinical.files import give_files

    try:
        names = give_files(connect(settings.journal_url), out, SAFETY_WORDS)
    except StoreFailure as failure:
        raise click.ClickException(str(failure)) from None
    click.echo(f"{', '.join(names)} in {out}")
