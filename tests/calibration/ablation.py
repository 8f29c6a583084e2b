"""Takes each treatment out, one at a time, and tells what fails then: `python -m tests.calibration.ablation`.

Played are the scenes that need each treatment, as they are named beside it; it ends with 1 if one of them does no longer.

--only NAME         only this treatment; may be repeated
--scenes NAME ...   these scenes instead of its own
--wide              besides them the others that hold what it is for
--more              besides them four leaks and all negative controls
--kept              play nothing: only what was played before
--processes N       scenes that are played at a time
--ct FOLDER         a labelled CT for the scenes that ask for one; they are left out if it is missing
--recordings FOLDER where the real angiogram lies; it is left out if it is missing
--list              what is taken out, and how
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from pydantic import TypeAdapter

from detection.outcome import Outcome
from detection.phantom.scene import Shot
from detection.rules import Rules
from detection.threads import keep_memory, use_one_thread
from service.score.kept import Archive, digest_of, file_digest, judging_source
from service.score.play import Watcher, frame_of, patient_of
from service.settings import Settings
from tests.calibration.angiogram import film_of
from tests.calibration.marking import marked_by
from tests.calibration.pairs import Pair
from tests.calibration.treatments import TREATMENTS, Treatment
from tests.calibration.trials import CONTROLS, LEAKS, Trial, trial_named

OUTCOME = TypeAdapter(Outcome)


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
        how = {"landmarks": trial.landmarks, "rules": rules, "plan": trial.plan}
        watcher = Watcher(task=trial.task, scene=trial.scene, **how)
        for shot in shots:
            before = watcher.plan
            watcher.see(trial.seen(frame_of(trial.scene, shot)), shot)
            if watcher.plan is not before:
                watcher.plan = marked_by(trial.hand, watcher.plan, before)
    return watcher.outcome()


HELD: dict[str, list[Shot]] = {}
"""The shots of the scene that is tried just now: they take as long to unpack as to judge."""


def _shots(trial: Trial, archive: Archive) -> list[Shot]:
    if trial.name not in HELD:
        HELD.clear()
        kept = trial.film is None
        shots = archive.shots(trial.scene, patient=patient_of(trial.task)) if kept else film_of(trial.film)
        HELD[trial.name] = list(shots)
    return HELD[trial.name]


def _digest(trial: Trial, treatment: Treatment | None) -> str:
    how: tuple[object, ...] = ()
    if treatment is not None:
        by = [(swap.where, inspect.getsource(swap.by)) for swap in treatment.swaps]
        how = (treatment.name, sorted(treatment.rules.items()), by)
    seen = inspect.getsource(trial.seen if inspect.isfunction(trial.seen) else type(trial.seen))
    hand = (trial.hand, inspect.getsource(type(trial.hand)), trial.plan)
    patient = patient_of(trial.task) if trial.film is None else file_digest(trial.film)
    task = replace(trial.task, ct=None)
    return digest_of("ablation", task, trial.scene, seen, hand, patient, how, judging_source())


def pairs_of(treatments: Sequence[Treatment], args: argparse.Namespace) -> Iterator[tuple[str, Pair]]:
    """Every scene that these treatments are tried on, judged both ways, with the treatment's name."""
    tried = {each.name: scenes_of(each, args) for each in treatments}
    names = list(dict.fromkeys(chain.from_iterable(tried.values())))
    without = [tuple(each for each in treatments if name in tried[each.name]) for name in names]
    if args.processes == 1:
        found = (tried_on(name, given, args) for name, given in zip(names, without, strict=True))
        yield from chain.from_iterable(found)
        return
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:  # a fork amid OpenCV's threads hangs
        whats = [tuple(each.name for each in given) for given in without]
        yield from chain.from_iterable(pool.map(partial(_tried_elsewhere, args=args), names, whats))


def scenes_of(treatment: Treatment, args: argparse.Namespace) -> tuple[str, ...]:
    """The names of the scenes that a treatment is tried on."""
    own = tuple(args.scenes or treatment.scenes)
    return (*own, *(treatment.others if args.wide else ()), *((*LEAKS, *CONTROLS) if args.more else ()))


def _tried_elsewhere(name: str, treatments: Sequence[str], args: argparse.Namespace) -> list[tuple[str, Pair]]:
    """As ``tried_on``, in another process, which knows the treatments by their names."""
    return tried_on(name, [each for each in TREATMENTS if each.name in treatments], args)


def tried_on(name: str, treatments: Sequence[Treatment], args: argparse.Namespace) -> list[tuple[str, Pair]]:
    """One scene with and without each of these treatments; nothing if it needs a CT or a recording that is not there."""
    use_one_thread()
    keep_memory()
    archive = Archive(folder=Settings().score_archive_dir, most_bytes=int(Settings().score_cache_gb * 1e9))
    trial = trial_named(name, args.ct if args.ct.exists() else None, args.recordings)
    whole = None if trial is None else outcome_of(trial, None, archive, may_play=not args.kept)
    pairs: list[tuple[str, Pair]] = []
    if trial is None or whole is None:
        return pairs
    for treatment in treatments:
        without = outcome_of(trial, treatment, archive, may_play=not args.kept)
        if without is not None:
            pair = Pair(name=name, whole=whole, without=without)
            print(f"{name:24} {treatment.name:36} {'; '.join(pair.harms())}", file=sys.stderr, flush=True)
            pairs.append((treatment.name, pair))
    return pairs


def row_of(treatment: Treatment, pairs: Sequence[Pair]) -> str:
    """A line of the table: what is worse without a treatment, and on which scenes."""
    worse = "; ".join(_words(pair) for pair in pairs if pair.is_harmed) or kept_for(treatment)
    return f"| {treatment.name} | {treatment.against} | {worse} |"


def kept_for(treatment: Treatment) -> str:
    """What needs a treatment that no scene of ours needs."""
    return f"no scene of ours; {treatment.kept_for}" if treatment.kept_for else "nothing"


def _words(pair: Pair) -> str:
    name = f"**{pair.name}**" if pair.is_failed else pair.name
    return f"{name} ({', '.join(pair.harms())})"


HEAD = "| taken out | for | what is worse |\n|---|---|---|"


def main() -> None:
    args = arguments()
    chosen = [each for each in TREATMENTS if not args.only or each.name in args.only]
    if args.list:
        print("\n".join(map(line_of, chosen)))
        return
    found: dict[str, list[Pair]] = {each.name: [] for each in chosen}
    for name, pair in pairs_of(chosen, args):
        found[name].append(pair)
    print("\n".join((HEAD, *(row_of(each, found[each.name]) for each in chosen))))
    if not (args.scenes or args.wide or args.more):
        sys.exit("\n".join(idle_of(chosen, found)) or None)


def idle_of(treatments: Sequence[Treatment], found: Mapping[str, Sequence[Pair]]) -> Iterator[str]:
    """What earns nothing: scenes that are no worse without a treatment, and treatments that are not said to be needed."""
    for each in treatments:
        yield from (f"{pair.name} is no worse without: {each.name}" for pair in found[each.name] if not pair.is_harmed)
        if not (each.scenes or each.kept_for):
            yield f"nothing needs: {each.name}"


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", choices=[each.name for each in TREATMENTS])
    parser.add_argument("--scenes", nargs="+")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--ct", type=Path, default=Path("../shared/ct"))
    parser.add_argument("--recordings", type=Path, default=Path("../shared/recordings"))
    for flag in ("--wide", "--more", "--kept", "--list"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


def line_of(treatment: Treatment) -> str:
    """A treatment and how it is taken out."""
    how = [f"{swap.where} by {swap.by.__name__}" for swap in treatment.swaps]
    how += [f"{name} = {value:g}" for name, value in treatment.rules.items()]
    return f"{treatment.name:36} {', '.join(how)}"


if __name__ == "__main__":
    main()
