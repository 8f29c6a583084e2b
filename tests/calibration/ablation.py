"""Takes each treatment out, one at a time, and tells what fails then: `python -m tests.calibration.ablation`.

--only NAME         only this treatment; may be repeated
--more              besides the scenes of each treatment, four leaks and all negative controls
--brief             no more of a treatment once a scene has failed without it
--kept              play nothing: only what was played before
--ct FOLDER         a labelled CT for the scenes that ask for one; they are left out if it is missing
--list              what is taken out, and how
"""

from __future__ import annotations

import argparse
import importlib
import inspect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from detection.outcome import Outcome
from detection.phantom.scene import Shot
from detection.rules import Rules
from detection.threads import keep_memory, use_one_thread
from service.score.kept import Archive, digest_of, judging_source
from service.score.play import Watcher, frame_of, patient_of
from service.settings import Settings
from tests.calibration.treatments import TREATMENTS, Treatment
from tests.calibration.trials import CONTROLS, LEAKS, Trial, trial_named

OUTCOME = TypeAdapter(Outcome)
LATER_FRAMES = 5
"""A leak that is told so much later is a harm of its own."""
BLIND_SHARE = 0.1
"""So is so much more of the clear frames that is not judged, or of the covered ones that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One scene judged by the whole and without a treatment."""

    trial: Trial
    whole: Outcome
    without: Outcome

    def harms(self) -> Iterator[str]:
        """What got worse, in words."""
        whole, without = self.whole, self.without
        if whole.caught is not None and whole.has_visible_leak and without.caught is None:
            yield "leak lost"
        for word in ("high", "audible"):
            n = len(getattr(without, f"false_{word}")) - len(getattr(whole, f"false_{word}"))
            if n > 0:
                yield f"{n} false {'HIGH' if word == 'high' else word}"
        n_more = len(without.false_alarms) - len(whole.false_alarms)
        if n_more > 0 and len(without.false_audible) <= len(whole.false_audible):
            yield f"{n_more} false LOW"
        if whole.is_zone_right and without.is_zone_right is False:
            yield "zone wrong"
        if whole.delay is not None and without.delay is not None and without.delay - whole.delay >= LATER_FRAMES:
            yield f"{without.delay - whole.delay} frames later"
        if without.n_fit_veiled - whole.n_fit_veiled >= max(1.0, BLIND_SHARE * whole.n_veiled):
            yield f"{without.n_fit_veiled} of {whole.n_veiled} covered frames judged, not {whole.n_fit_veiled}"
        if self.is_blind:
            yield f"{without.n_unfit_clear - whole.n_unfit_clear} of {whole.n_clear} clear frames unfit"
        yield from self._blurs()

    def _blurs(self) -> Iterator[str]:
        """What got worse about pictures: the outline of cement, the distance to the wall."""
        before, after = self.whole.precision, self.without.precision
        if before.dice is not None and before.dice - (after.dice or 0.0) >= 0.05:
            yield f"Dice {before.dice:.2f} to {after.dice or 0.0:.2f}"
        if before.distance_errors_mm and after.distance_errors_mm:
            old, new = (float(np.median(np.abs(each.distance_errors_mm))) for each in (before, after))
            if new - old >= 1.0:
                yield f"distance {old:.1f} to {new:.1f} mm off"

    @property
    def is_failed(self) -> bool:
        """Whether the scene fails without the treatment: a leak lost, another audible false alarm, or blind for a tenth of it."""
        more = len(self.without.false_audible) > len(self.whole.false_audible)
        lost = self.whole.has_visible_leak and self.whole.caught is not None and self.without.caught is None
        return more or lost or self.is_blind

    @property
    def is_blind(self) -> bool:
        """Whether a tenth more of its clear frames is not judged."""
        return self.without.n_unfit_clear - self.whole.n_unfit_clear >= max(1.0, BLIND_SHARE * self.whole.n_clear)


@contextmanager
def taken_out(treatment: Treatment | None) -> Iterator[Rules]:
    """Detection without a treatment, and the rules to judge by."""
    if treatment is None:
        yield Rules()
        return
    own = [(*place_of(swap.where), swap.by) for swap in treatment.swaps]
    before = [getattr(module, name) for module, name, _ in own]
    for (module, name, by), function in zip(own, before, strict=True):
        setattr(module, name, partial(by, function))
    try:
        yield Rules(**treatment.rules)
    finally:
        for (module, name, _), function in zip(own, before, strict=True):
            setattr(module, name, function)


def place_of(where: str) -> tuple[object, str]:
    """The module of detection and the name in it that a swap means."""
    module, _, name = where.rpartition(".")
    return importlib.import_module(f"detection.{module}"), name


def outcome_of(trial: Trial, treatment: Treatment | None, archive: Archive, *, may_play: bool = True) -> Outcome | None:
    """What comes of a scene; from the archive where the same was played before, None where it may not be played."""
    name = _digest(trial, treatment)
    if (said := archive.said(name)) is not None:
        return OUTCOME.validate_json(said)
    if not may_play:
        return None
    outcome = played(trial, treatment, _shots(trial, archive))
    archive.keep(name, OUTCOME.dump_json(outcome).decode())
    return outcome


def played(trial: Trial, treatment: Treatment | None, shots: Iterable[Shot]) -> Outcome:
    """What comes of the shots of a scene without a treatment, or with all."""
    with taken_out(treatment) as rules:
        watcher = Watcher(task=trial.task, scene=trial.scene, landmarks=trial.landmarks, rules=rules)
        for shot in shots:
            watcher.see(trial.seen(frame_of(trial.scene, shot)), shot)
    return watcher.outcome()


HELD: dict[str, list[Shot]] = {}
"""The shots of the scene that is tried just now: they take as long to unpack as to judge."""


def _shots(trial: Trial, archive: Archive) -> list[Shot]:
    if trial.name not in HELD:
        HELD.clear()
        HELD[trial.name] = list(archive.shots(trial.scene, patient=patient_of(trial.task)))
    return HELD[trial.name]


def _digest(trial: Trial, treatment: Treatment | None) -> str:
    how: tuple[object, ...] = ()
    if treatment is not None:
        by = [(swap.where, inspect.getsource(swap.by)) for swap in treatment.swaps]
        how = (treatment.name, sorted(treatment.rules.items()), by)
    seen = inspect.getsource(trial.seen if inspect.isfunction(trial.seen) else type(trial.seen))
    task = replace(trial.task, ct=None)
    return digest_of("ablation", task, trial.scene, seen, patient_of(trial.task), how, judging_source())


def pairs_of(
    treatments: Sequence[Treatment], archive: Archive, args: argparse.Namespace
) -> Iterator[tuple[Treatment, Pair]]:
    """Every scene of these treatments, judged both ways, scene by scene; without those that need a CT that is not there."""
    more, settled = (*LEAKS, *CONTROLS) if args.more else (), set[str]()
    for name in dict.fromkeys((*chain.from_iterable(each.scenes for each in treatments), *more)):
        trial = trial_named(name, args.ct if args.ct.exists() else None)
        whole = None if trial is None else outcome_of(trial, None, archive, may_play=not args.kept)
        if trial is None or whole is None:
            continue
        for treatment in (each for each in treatments if name in (*each.scenes, *more)):
            if args.brief and treatment.name in settled:
                continue
            without = outcome_of(trial, treatment, archive, may_play=not args.kept)
            if without is not None:
                pair = Pair(trial=trial, whole=whole, without=without)
                print(f"{name:24} {treatment.name:36} {'; '.join(pair.harms())}", flush=True)
                settled |= {treatment.name} if pair.is_failed else set()
                yield treatment, pair


def row_of(treatment: Treatment, pairs: Sequence[Pair]) -> str:
    """A line of the table: scenes, leaks told, false alarms, zones, delay, unfit frames, both ways; and what fails."""
    sides = [[pair.whole for pair in pairs], [pair.without for pair in pairs]]

    def both(count: object) -> str:
        before, after = (sum(count(each) for each in side) for side in sides)  # type: ignore[operator]
        return f"{before}" if before == after else f"{before}, **{after}**"

    n_leaks = sum(pair.whole.has_visible_leak for pair in pairs)
    told = [(pair.whole.delay, pair.without.delay) for pair in pairs]
    later = [after - before for before, after in told if before is not None and after is not None]
    cells = (
        treatment.name,
        treatment.against,
        f"{len(pairs)}, {n_leaks}",
        both(lambda each: each.has_visible_leak and each.caught is not None),
        both(lambda each: len(each.false_high)),
        both(lambda each: len(each.false_audible)),
        both(lambda each: len(each.false_alarms)),
        f"{np.mean(later):+.1f}" if later else "-",
        both(lambda each: each.n_unfit_clear),
        "; ".join(_words(pair) for pair in pairs if any(pair.harms())) or "nothing: no scene of ours needs it",
    )
    return "| " + " | ".join(cells) + " |"


def _words(pair: Pair) -> str:
    name = f"**{pair.trial.name}**" if pair.is_failed else pair.trial.name
    return f"{name} ({', '.join(pair.harms())})"


HEAD = (
    "| taken out | for | scenes, leaks | told | false HIGH | false audible | false of any priority | frames later | clear frames unfit | what is worse |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", choices=[each.name for each in TREATMENTS])
    parser.add_argument("--more", action="store_true")
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--ct", type=Path, default=Path("../shared/ct"))
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    use_one_thread()
    keep_memory()
    archive = Archive(folder=Settings().score_archive_dir, most_bytes=int(Settings().score_cache_gb * 1e9))
    chosen = [each for each in TREATMENTS if not args.only or each.name in args.only]
    if args.list:
        print("\n".join(map(line_of, chosen)))
        return
    found: dict[str, list[Pair]] = {each.name: [] for each in chosen}
    for treatment, pair in pairs_of(chosen, archive, args):
        found[treatment.name].append(pair)
    print("\n".join((HEAD, *(row_of(each, found[each.name]) for each in chosen))))


def line_of(treatment: Treatment) -> str:
    """A treatment and how it is taken out."""
    how = [f"{swap.where} by {swap.by.__name__}" for swap in treatment.swaps]
    how += [f"{name} = {value:g}" for name, value in treatment.rules.items()]
    return f"{treatment.name:36} {', '.join(how)}"


if __name__ == "__main__":
    main()
