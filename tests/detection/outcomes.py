"""Outcomes made by hand, for the tests of the scorecard."""

from __future__ import annotations

from typing import Any

from detection.outcome import About, Instant, Leakage, Outcome, Patient, Precision, Telling
from detection.vocabulary import Kind, Priority, View, Zone


def instant(index: int) -> Instant:
    """A frame of a film at ten to the second whose every frame is judged."""
    return Instant(index=index, time_s=index / 10, n_judged=index + 1)


def telling(index: int, *, is_true: bool, **changed: Any) -> Telling:
    """A leak alert of MEDIUM priority, raised on a frame."""
    given: dict[str, Any] = {
        "alert": f"a{index}",
        "at": instant(index),
        "kind": Kind.LEAK,
        "zone": Zone.VEIN,
        "priority": Priority.MEDIUM,
        "is_first": True,
        "is_true": is_true,
        "trust": 0.8,
        "peak_mm2": 10.0,
    }
    return Telling(**(given | changed))


def leakage(onset: int | None = 100, zone: Zone = Zone.VEIN, ml: float = 0.1) -> Leakage:
    """A leak that is visible from a frame on, and real two frames before."""
    seen = None if onset is None else instant(onset)
    real = instant(98 if onset is None else onset - 2)
    return Leakage(zones=frozenset({zone}), ml=ml, width_mm=2.0, length_mm=12.0, onset=seen, onset_3d=real)


def outcome(*tellings: Telling, leak: Leakage | None = None, **changed: Any) -> Outcome:
    """A scene of twenty seconds in which these alerts were told."""
    about: dict[str, Any] = {
        "scene": "story",
        "seed": 1,
        "landmarks": "given",
        "patient": Patient.DRAWN,
        "view": View.LATERAL,
        "level": "L1",
        "dose": "usual",
        "cement": "barium_20",
        "confounders": frozenset({"glare"}),
        "is_control": False,
    }
    given: dict[str, Any] = {"n_frames": 200, "seconds": 20.0, "precision": Precision(dice=0.9)}
    for name in list(changed):
        if name in about:
            about[name] = changed.pop(name)
    return Outcome(about=About(**about), leakage=leak or Leakage(), tellings=tellings, **(given | changed))
