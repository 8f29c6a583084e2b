"""The table of treatments cannot rot: what it takes out exists, its scenes can be played, and taking out one of them is noticed."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from detection.phantom.obstacles import Obstacle, ObstacleKind
from detection.phantom.scene import SCENARIOS, play
from detection.rules import Rules
from detection.vocabulary import Zone
from tests.calibration.ablation import place_of, played, taken_out
from tests.calibration.pairs import Pair
from tests.calibration.treatments import TREATMENTS
from tests.calibration.trials import ANGIOGRAM, CONTROLS, LEAKS, OWN, trial_named
from tests.calibration.views import Both, lines_of
from tests.detection.outcomes import leakage, outcome, telling
from tests.house.tree import CHECKOUT

NAMED = {each.name: each for each in TREATMENTS}


@pytest.mark.parametrize("treatment", TREATMENTS, ids=lambda each: each.name)
def test_what_is_taken_out_is_there_and_comes_back(treatment):
    assert treatment.swaps or treatment.rules
    before = [getattr(*place_of(swap.where)) for swap in treatment.swaps]
    with taken_out(treatment) as rules:
        assert all(getattr(*place_of(swap.where)).func is swap.by for swap in treatment.swaps)
        other = {entry.name for entry in fields(Rules) if getattr(rules, entry.name) != entry.default}
        assert other == treatment.rules.keys()
    assert [getattr(*place_of(swap.where)) for swap in treatment.swaps] == before


def test_every_treatment_has_one_row_in_the_guide():
    guide = (CHECKOUT / "docs" / "algorithm.md").read_text(encoding="utf-8")
    section = guide.partition("### Each treatment taken out")[2].partition("\n#")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    assert [rows.count(name) for name in NAMED] == [1] * len(TREATMENTS)


def test_scenes_of_the_table_are_known_and_played_as_they_are_named(tmp_path):
    for name in {name for each in TREATMENTS for name in (*each.scenes, *each.others)} | {*LEAKS, *CONTROLS, *OWN}:
        if not name.endswith(":ct") and name != ANGIOGRAM:
            assert trial_named(name, tmp_path).name == name
    assert trial_named("contained:found:ct", None) is None
    third = trial_named("hand_only+2:found", None)
    assert (third.task.seed, third.landmarks) == (trial_named("hand_only", None).task.seed + 2, "found")


@pytest.fixture(scope="module")
def venography():
    """Six seconds of contrast agent in the veins about an untreated body, coarsely seen."""
    trial = trial_named("venography_only", None)
    agent = Obstacle(kind=ObstacleKind.VENOGRAPHY, from_s=2.5, until_s=4.0)
    scene = replace(SCENARIOS["venography_only"], size=(256, 256), mm_per_px=0.5, duration_s=6.0, obstacles=(agent,))
    return replace(trial, scene=scene), tuple(play(scene))


@pytest.mark.parametrize("name", ["clutter", "wave"])
def test_contrast_agent_is_taken_for_a_leak_into_the_canal_once_it_is_not_told_from_cement(venography, name):
    trial, shots = venography
    whole, without = (played(trial, each, shots) for each in (None, NAMED[name]))
    assert not whole.false_alarms
    assert Zone.CANAL in {each.zone for each in without.false_high}
    assert Pair(name=trial.name, whole=whole, without=without).is_failed


def test_a_leak_that_one_view_hides_counts_as_a_leak_of_both():
    seen, hidden = outcome(telling(104, is_true=True), leak=leakage()), outcome(leak=leakage(onset=None))
    lines = list(lines_of([Both(kind="vein", lateral=hidden, ap=seen), Both(kind="disc", lateral=seen, ap=seen)]))
    assert "| vein | 1 | 0 | 0 | 1 | 1 | 1 |" in lines
    assert "| all | 2 | 1 | 1 | 2 | 2 | 2 |" in lines
