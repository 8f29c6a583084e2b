"""The command line of the clinical record: tables in and out, questions to many records, and a paper's numbers checked.

What counts and reads tables is loaded by the command that needs it: it takes longer than the roles take to start.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from db.connect import StoreFailure, connect, snapshot
from db.record import RecordRefused, write
from service.clinical.finding import Finding
from service.safety import SAFETY_WORDS
from service.settings import Settings

if TYPE_CHECKING:
    from service.clinical.exchange import Intake

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
REFUSED = "nothing was written: somebody changed the record meanwhile, or an id belongs to something withdrawn"
PROJECT_WORDS = (
    "Upload data-dictionary.csv as the data dictionary of an empty project, set every instrument but patient to repeat, then "
    "import records.csv. These words stand here because REDCap takes no remark in its files."
)


@click.command("audit-table")
@click.argument("file", type=FILE)
@click.option("--records", is_flag=True, help="Hold the numbers against the clinical record instead of each other.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line for each finding.")
@click.pass_obj
def audit_table(settings: Settings, file: Path, *, records: bool, as_json: bool) -> None:
    """Check whether the numbers of a published summary (TOML) hold together; exit 1 when one is flagged."""
    from service.clinical.audit import Verdict, audit
    from service.clinical.published import read

    try:
        published = read(_text(file))
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
@click.argument("file", type=FILE)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write into.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same patients.")
def simulate_records(file: Path, out: Path, seed: int) -> None:
    """Make patients who fit a published summary (TOML), as CSV files to import; exit 1 where none can."""
    from service.clinical.files import write_rows
    from service.clinical.published import read
    from service.clinical.simulated import simulate

    try:
        series = simulate(read(_text(file)), file.stem, seed)
        names = write_rows(series.rows, out, SAFETY_WORDS)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{', '.join(names)} in {out}: made to fit a summary, none of these patients ever lived")
    _tell(series.findings, as_json=False)
    sys.exit(any(each.verdict == "flag" for each in series.findings))


@click.command("cohort")
@click.argument("file", type=FILE)
@click.pass_obj
def cohort(settings: Settings, file: Path) -> None:
    """Print the tables that a page of questions (TOML) asks for, as Markdown."""
    from service.clinical.printed import page_of
    from service.clinical.questions import read_page

    try:
        page = read_page(_text(file))
        for line in page_of(connect(settings.journal_url), page, SAFETY_WORDS):
            click.echo(line)
    except (ValueError, StoreFailure) as error:
        raise click.ClickException(str(error)) from None
    except KeyError:
        raise click.ClickException("where: expected a field of the unit, of its owners or of what it owns") from None


@click.command("import-records")
@click.argument("files", nargs=-1, required=True, type=FILE)
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
        raise click.ClickException(REFUSED) from None
    _tell_intake(intake, dry_run=dry_run)


def _tell_intake(intake: Intake, *, dry_run: bool) -> None:
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


@click.command("import-redcap")
@click.argument("export", type=FILE)
@click.option("--mapping", type=FILE, help="How the project is read (TOML); without it the project is our own.")
@click.option("--dictionary", type=FILE, help="The project's data dictionary (CSV), to hold the mapping against.")
@click.option("--prefix", default="", help="What ids begin with, where the project is our own.")
@click.option("--update", is_flag=True, help="Let the project change what is there already.")
@click.option("--dry-run", is_flag=True, help="Look at everything, write nothing.")
@click.pass_obj
def import_redcap(
    settings: Settings,
    export: Path,
    *,
    mapping: Path | None,
    dictionary: Path | None,
    prefix: str,
    update: bool,
    dry_run: bool,
) -> None:
    """Take records from a REDCap project's raw CSV export: all of it or nothing."""
    from service.clinical.exchange import NoTable
    from service.clinical.files import ACTOR
    from service.clinical.redcap import read_export, take_export
    from service.clinical.redcap_mapping import choices_in, gaps_in, read_mapping
    from service.clinical.redcap_project import project_mapping

    try:
        wanted = project_mapping(prefix) if mapping is None else read_mapping(_text(mapping))
        gaps = [] if dictionary is None else gaps_in(wanted, choices_in(_text(dictionary)))
        if gaps:
            raise click.ClickException("the mapping does not fit the project:\n" + "\n".join(gaps))
        engine = connect(settings.journal_url)
        intake = take_export(engine, read_export(_text(export), wanted), may_update=update)
        if not intake.bad and not dry_run:
            write(engine, intake.drafts, at=time.time(), actor=ACTOR)
    except (NoTable, StoreFailure) as error:
        raise click.ClickException(str(error)) from None
    except RecordRefused:
        raise click.ClickException(REFUSED) from None
    _tell_intake(intake, dry_run=dry_run)


@click.command("export-redcap")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write into.")
@click.pass_obj
def export_redcap(settings: Settings, out: Path) -> None:
    """Write the record as a REDCap project: the data dictionary to build it from, and the records to import there."""
    from service.clinical.redcap_project import project_dictionary, project_records

    out.mkdir(parents=True, exist_ok=True)
    try:
        with snapshot(connect(settings.journal_url)) as seen:
            for name, lines in (("data-dictionary", project_dictionary()), ("records", project_records(seen))):
                with (out / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                    file.writelines(lines)
    except StoreFailure as failure:
        raise click.ClickException(str(failure)) from None
    (out / "README.txt").write_text(f"{SAFETY_WORDS}\n\n{PROJECT_WORDS}\n", encoding="utf-8")
    click.echo(f"data-dictionary.csv, records.csv, README.txt in {out}")
    click.echo(SAFETY_WORDS, err=True)


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")  # line ends within a remark stay as they are
    except UnicodeDecodeError:
        raise click.ClickException(f"{file.name}: expected UTF-8") from None
