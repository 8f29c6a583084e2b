"""The commands that judge recordings again, and hold what comes of it against each other."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from dicom_gateway.refusal import GatewayError, Unreadable
from service import replay as offline
from service.compare import NotComparable, compare
from service.compare_page import page_of, words_of
from service.orthanc import OrthancUnreachable, StudyNotFound
from service.replay import line_from
from service.safety import SAFETY_WORDS
from service.settings import Settings

RECORDING = click.Path(exists=True, path_type=Path)


@click.command("replay")
@click.option("--study", help="Study Instance UID of a recording in Orthanc.")
@click.option("--folder", type=RECORDING, help="Folder of a recording, a DICOMDIR, or an exported procedure.")
@click.option("--orthanc", "orthanc_url", help="Orthanc's address, if not the one of the settings.")
@click.option("--frames", is_flag=True, help="Print what every frame says too.")
@click.pass_obj
def replay(settings: Settings, study: str | None, folder: Path | None, orthanc_url: str | None, frames: bool) -> None:  # noqa: FBT001 - click's shape
    """Judge a recording again, by the code that runs live, and print its journal as JSON lines."""
    recording = study or folder
    if recording is None or (study and folder):
        raise click.UsageError("expected either --study or --folder")
    click.echo(SAFETY_WORDS, err=True)
    try:
        for line in offline.replayed(recording, orthanc_url or settings.orthanc_url, with_frames=frames, now=time.time):
            click.echo(json.dumps(line, sort_keys=True))
    except (OrthancUnreachable, StudyNotFound, LookupError, Unreadable) as error:
        raise click.ClickException(str(error)) from None


@click.command("compare")
@click.argument("a", type=RECORDING)
@click.argument("b", type=RECORDING)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to this file too.")
@click.option("--recording", type=RECORDING, help="Where the frames are, for pictures on that page.")
def compare_journals(a: Path, b: Path, html: Path | None, recording: Path | None) -> None:
    """Say in words what journal B says otherwise than journal A of the same recording; exit 1 when it does.

    A journal is what `cementwatch replay --frames` printed, or the folder of an exported procedure.
    """
    try:
        comparison = compare(_lines_in(a), _lines_in(b))
        if html is not None:
            html.write_text(page_of(comparison, recording), encoding="utf-8")
    except (NotComparable, GatewayError) as error:
        raise click.ClickException(str(error)) from None
    for words in words_of(comparison):
        click.echo(words)
    click.echo(comparison.summary)
    sys.exit(not comparison.is_same)


def _lines_in(path: Path) -> list[dict[str, Any]]:
    """The lines of a journal. Raises ``NotComparable``."""
    path = path / "log.jsonl" if path.is_dir() else path
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        told = [line for line in lines if "safety" not in line]
        lines = [line_from(line) if "data" in line else line for line in told]
        return [{**line, "type": str(line["type"])} for line in lines]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise NotComparable(f"{path.name}: expected a journal as JSON lines") from None
