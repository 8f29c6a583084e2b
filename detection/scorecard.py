"""The scorecard of a set: figures with intervals, broken down by what makes scenes hard, and a free-response curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from detection.intervals import Figure, median, pooled, rate, share
from detection.outcome import FAMILY, Outcome, Telling
from detection.vocabulary import Zone

Label = Callable[[Outcome], Iterable[str]]

BY_SIZE_MM2 = (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
BY_TRUST = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def figures_of(outcomes: Sequence[Outcome]) -> Iterator[Figure]:
    """Every figure of a set of outcomes."""
    leaks = [each for each in outcomes if each.has_visible_leak]
    hidden = [each for each in outcomes if each.leakage.onset_3d is not None]
    yield share("recall, projection-visible leaks", [each.caught is not None for each in leaks])
    yield share("recall against 3-D truth", [each.caught is not None for each in hidden])
    yield share("  visible leaks that were told, silently or not", [bool(each.noticed) for each in leaks])
    yield median("delay after visible onset, judged frames", [each.delay for each in leaks])
    yield median("delay after visible onset, s", [each.delay_s for each in leaks])
    contacts = [contact for each in outcomes for contact in each.contacts]
    yield median("lead before wall contact, s", [contact.lead_s or 0.0 for contact in contacts])
    yield share("zone named right", [each.is_zone_right for each in leaks])
    yield from _false_alarms(outcomes)
    yield from _pictures(outcomes)
    yield from _bodies(outcomes)
    yield from _fitness(outcomes)
    yield median("examine, median ms a frame (processor time)", [each.precision.ms_median for each in outcomes])
    yield median("examine, p99 ms a frame (processor time)", [each.precision.ms_p99 for each in outcomes])


def _false_alarms(outcomes: Sequence[Outcome]) -> Iterator[Figure]:
    minutes = sum(each.seconds for each in outcomes) / 60
    n_high = sum(len(each.false_high) for each in outcomes)
    n_audible = sum(len(each.false_audible) for each in outcomes)
    n_all = sum(len(each.false_alarms) for each in outcomes)
    for name, n in (("HIGH", n_high), ("audible", n_audible), ("of any priority", n_all)):
        yield rate(f"false alarms, {name}, per level", n, len(outcomes), "levels")
    for name, n in (("HIGH", n_high), ("audible", n_audible)):
        yield rate(f"false alarms, {name}, per minute", n, minutes, "min")
    quiet = [each for each in outcomes if each.leakage.onset_3d is None]
    n_quiet = sum(len(each.false_audible) for each in quiet)
    yield rate("  audible, where nothing leaks, per level", n_quiet, len(quiet), "levels")
    controls = [each for each in outcomes if each.about.is_control]
    n_control = sum(len(each.false_high) for each in controls)
    yield rate("  HIGH, on the negative controls, per level", n_control, len(controls), "levels")
    n_soundings = sum(len(each.false_soundings) for each in outcomes)
    yield rate("times that a false alarm sounded, per level", n_soundings, len(outcomes), "levels")
    n_spinal = sum(len(each.false_spinal) for each in outcomes)
    yield rate("canal or foramen named where none leaked, per level", n_spinal, len(outcomes), "levels")
    yield rate("technical alarms, audible, per level", sum(e.n_technical for e in outcomes), len(outcomes), "levels")


def _pictures(outcomes: Sequence[Outcome]) -> Iterator[Figure]:
    yield median("Dice of the cement mask", [each.precision.dice for each in outcomes])
    yield median("outline of the cement, error, mm", [each.precision.boundary_mm for each in outcomes])
    errors = [[abs(error) for error in each.precision.distance_errors_mm] for each in outcomes]
    yield pooled("distance to the wall, absolute error, mm", errors, "scenes")
    volumes = [each.precision.volume_error for each in outcomes]
    yield median("volume, relative error", [None if error is None else abs(error) for error in volumes])
    yield share("volume within the band that was told", [each.precision.is_volume_in_band for each in outcomes])


def _bodies(outcomes: Sequence[Outcome]) -> Iterator[Figure]:
    asked = [each for each in outcomes if each.about.landmarks == "found"]
    if asked:
        yield share("body found", [each.precision.corner_errors_mm is not None for each in asked])
        yield pooled("body corners, error, mm", corner_errors(asked), "scenes")


def corner_errors(outcomes: Iterable[Outcome]) -> list[Sequence[float]]:
    """How far the corners of each scene's body lie from the true ones, mm; empty where it was not found."""
    return [each.precision.corner_errors_mm or () for each in outcomes]


def _fitness(outcomes: Sequence[Outcome]) -> Iterator[Figure]:
    clear, veiled = sum(each.n_clear for each in outcomes), sum(each.n_veiled for each in outcomes)
    n_unfit, n_fit = sum(each.n_unfit_clear for each in outcomes), sum(each.n_fit_veiled for each in outcomes)
    yield Figure(name="clear frames called unfit", value=n_unfit / clear if clear else None, of=f"{n_unfit} of {clear}")
    yield Figure(name="veiled frames called fit", value=n_fit / veiled if veiled else None, of=f"{n_fit} of {veiled}")


def breakdowns(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Tables of recall and false alarms by zone, view, confounder, dose and cement: a title and its lines.

    By view once more with every leak, whether it shows in projection or not: as CT would count them.
    """
    labels: dict[str, Label] = {
        "true zone": lambda each: {str(FAMILY[zone]) for zone in each.leakage.zones},
        "view": lambda each: (each.about.view,),
        "confounder": lambda each: each.about.confounders,
        "dose": lambda each: (each.about.dose,),
        "cement": lambda each: (each.about.cement,),
        "level": lambda each: (each.about.level,),
    }
    for title, label in labels.items():
        rows = sorted(set(chain.from_iterable(label(each) for each in outcomes)))
        yield title, tuple(_row(row, [each for each in outcomes if row in label(each)]) for row in rows)
    views = sorted({each.about.view for each in outcomes})
    yield (
        "view, leaks in 3-D",
        tuple(_row(view, [each for each in outcomes if each.about.view is view], is_3d=True) for view in views),
    )


BREAKDOWN_HEAD = f"{'':28}{'leaks':>6}{'recall':>8}{'95 %':>15}{'levels':>8}{'false audible':>15}{'false HIGH':>12}"


def _row(name: str, outcomes: Sequence[Outcome], *, is_3d: bool = False) -> str:
    leaks = [each for each in outcomes if (each.leakage.onset_3d is not None if is_3d else each.has_visible_leak)]
    recall = share("", [each.caught is not None for each in leaks])
    value = "-" if recall.value is None else f"{recall.value:.2f}"
    interval = "" if recall.low is None else f"{recall.low:.2f} to {recall.high:.2f}"
    n_audible, n_high = sum(len(e.false_audible) for e in outcomes), sum(len(e.false_high) for e in outcomes)
    return f"{name:28}{len(leaks):6}{value:>8}{interval:>15}{len(outcomes):8}{n_audible:15}{n_high:12}"


def curve_of(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Free response: recall of visible leaks against false alarms per level, were smaller or less trusted alerts kept back.

    Silent alerts count on both sides. It begins at what is told today; alerts that today's thresholds never raise are not in it.
    """
    yield f"{'alerts kept':26}{'recall':>8}{'false per level':>18}"
    for least in BY_SIZE_MM2:
        yield _point(f"at least {least:g} mm2", outcomes, lambda each, least=least: each.peak_mm2 >= least)  # type: ignore[misc]
    for least in BY_TRUST:
        yield _point(f"trust at least {least:g}", outcomes, lambda each, least=least: each.trust >= least)  # type: ignore[misc]


def spinal(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Visible leaks into canal or foramen that are too large to be called negligible."""
    return [
        each
        for each in outcomes
        if each.has_visible_leak and each.leakage.is_large and Zone.CANAL in {FAMILY[z] for z in each.leakage.zones}
    ]


def elsewhere(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Visible leaks into veins, discs, soft tissue or the needle's tract."""
    return [
        each
        for each in outcomes
        if each.has_visible_leak and Zone.CANAL not in {FAMILY[zone] for zone in each.leakage.zones}
    ]


def _point(name: str, outcomes: Sequence[Outcome], is_kept: Callable[[Telling], bool]) -> str:
    leaks = [each for each in outcomes if each.has_visible_leak]
    n_caught = sum(any(map(is_kept, each.noticed)) for each in leaks)
    n_false = sum(is_kept(t) for each in outcomes for t in each.false_alarms)
    recall = f"{n_caught / len(leaks):.2f}" if leaks else "-"
    return f"{name:26}{recall:>8}{n_false / max(1, len(outcomes)):18.2f}"
