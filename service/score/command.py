"""The command line of the scorecard."""

from __future__ import annotations

import click

from detection.scorecard import Outcome, table
from service.demo import SAFETY
from service.score.kept import Archive
from service.score.play import Hall, score
from service.score.sets import FIRST_SEED, tasks_of
from service.settings import Settings


@click.command("score")
@click.option("--set", "set_name", type=click.Choice(sorted(FIRST_SEED)), default="tune", show_default=True)
@click.option("--each", default=1, show_default=True, type=click.IntRange(min=1), help="Patients for each story.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(min=1))
@click.pass_obj
def score_sets(settings: Settings, set_name: str, each: int, processes: int) -> None:
    """Play phantom scenes through the detection and hold what it says against the truth."""
    archive = Archive(folder=settings.score_archive_dir, most_bytes=int(settings.score_cache_gb * 1e9))
    outcomes = []
    for outcome in score(tasks_of(set_name, each), Hall(archive=archive, n_processes=processes)):
        outcomes.append(outcome)
        click.echo(_line_of(outcome), err=True)
    for landmarks in ("given", "found"):
        click.echo(f"\nset {set_name}, landmarks {landmarks}")
        for line in table([outcome for outcome in outcomes if outcome.landmarks == landmarks]):
            click.echo(line)
    click.echo(f"\n{SAFETY}")


def _line_of(outcome: Outcome) -> str:
    delay = "" if outcome.delay is None else f", delay {outcome.delay:+d} frames"
    false = f", {len(outcome.false_alerts)} false" if outcome.false_alerts else ""
    missed = ", missed" if outcome.onset is not None and outcome.caught is None else ""
    return f"  {outcome.scene:22} seed {outcome.seed} {outcome.landmarks:5}{delay}{missed}{false}"
