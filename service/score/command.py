"""The command line of the scorecard."""

from __future__ import annotations

import json
from pathlib import Path

import click

from detection.montage import sheet
from detection.outcome import Exhibit, Outcome
from detection.phantom.scene import SCENARIOS
from service.safety import SAFETY_WORDS
from service.score.kept import Archive
from service.score.one import told
from service.score.play import Hall, score
from service.score.report import against, failures_of, json_of, line_of, lines_of
from service.score.sets import FIRST_SEED, Task, task_named, tasks_of
from service.settings import Settings

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("score")
@click.option("--set", "set_name", type=click.Choice(sorted(FIRST_SEED)), default="tune", show_default=True)
@click.option("--each", default=1, show_default=True, type=click.IntRange(1, 500), help="Patients for each story.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--ct", type=FOLDER, help="Folder of a CT with labels: some stories are played in it too.")
@click.option("--story", "stories", multiple=True, help="Only this story; may be repeated.")
@click.option("--only", metavar="STORY:SEED:given", help="Play one scene and tell it frame by frame.")
@click.option("--json", "written", type=FILE, help="Write figures and outcomes to this file.")
@click.option(
    "--against",
    "earlier",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with such a file.",
)
@click.option("--montage", type=FILE, help="Write hits, misses and false alarms as one PNG; not for the exam set.")
@click.pass_obj
def score_sets(
    settings: Settings,
    /,
    set_name: str,
    each: int,
    processes: int,
    ct: Path | None,
    stories: tuple[str, ...],
    only: str | None,
    written: Path | None,
    earlier: Path | None,
    montage: Path | None,
) -> None:
    """Play phantom scenes through the detection and hold what it says against the truth.

    The exam set is for its table only: no scene of it is listed, drawn or told.
    """
    archive = Archive(folder=settings.score_archive_dir, most_bytes=int(settings.score_cache_gb * 1e9))
    if set_name == "exam" and (only or montage):
        raise click.UsageError("the exam set is read by its table only; use --set tune to look at scenes")
    if unknown := set(stories) - SCENARIOS.keys():
        raise click.BadParameter(f"no story {', '.join(sorted(unknown))}", param_hint="--story")
    if only:
        for line in told(_named(only, set_name, ct), archive):
            click.echo(line)
        return
    hall = Hall(archive=archive, n_processes=processes, has_gallery=montage is not None)
    outcomes, exhibits = _play(list(tasks_of(set_name, each, ct, only=stories)), hall, is_told=set_name != "exam")
    for line in lines_of(set_name, outcomes):
        click.echo(line)
    if set_name != "exam":
        for line in failures_of(set_name, outcomes, str(ct)):
            click.echo(line)
    plain = json_of(set_name, outcomes)
    if earlier is not None:
        for line in against(json.loads(earlier.read_text(encoding="utf-8")), plain):
            click.echo(line)
    if written is not None:
        written.write_text(json.dumps(plain, indent=1, sort_keys=True), encoding="utf-8")
    if montage is not None and exhibits:
        montage.write_bytes(sheet(exhibits))
    click.echo(f"\n{SAFETY_WORDS}")


def _play(tasks: list[Task], hall: Hall, *, is_told: bool) -> tuple[list[Outcome], list[Exhibit]]:
    outcomes: list[Outcome] = []
    exhibits: list[Exhibit] = []
    for number, played in enumerate(score(tasks, hall), start=1):
        outcomes += played.outcomes
        exhibits += played.exhibits
        for outcome in played.outcomes if is_told else ():
            click.echo(f"{number:4} of {len(tasks)}  {line_of(outcome)}", err=True)
        if not is_told:
            click.echo(f"{number:4} of {len(tasks)}", err=True)
    return outcomes, exhibits


def _named(name: str, set_name: str, ct: Path | None) -> Task:
    try:
        return task_named(name, set_name, ct)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--only") from None
