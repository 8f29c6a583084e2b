"""The scorecard counts what it says: leaks caught and missed, alarms without reason, targets met and not."""

from __future__ import annotations

from math import comb

import pytest

from detection.intervals import byar, median, pooled, rank_about_median, rate, share, wilson
from detection.outcome import Contact, Precision
from detection.scorecard import breakdowns, curve_of, figures_of
from detection.targets import targets_of
from detection.vocabulary import Kind, Priority, View, Zone
from tests.detection.outcomes import leakage, outcome, telling

CAUGHT = outcome(telling(104, is_true=True), leak=leakage())
LATE = outcome(telling(120, is_true=True), leak=leakage())
MISSED = outcome(leak=leakage())
QUIET = outcome()
NOISY = outcome(telling(30, is_true=False), telling(40, is_true=False, priority=Priority.HIGH))


def figures(*outcomes):
    return {figure.name.strip(): figure for figure in figures_of(outcomes)}


def targets(*outcomes, is_given=True):
    return {target.figure.name.strip(): target for target in targets_of(outcomes, is_given=is_given)}


def test_recall_is_the_share_of_visible_leaks_that_were_told():
    told = figures(CAUGHT, MISSED, QUIET, NOISY)
    assert told["recall, projection-visible leaks"].value == 0.5
    assert told["recall, projection-visible leaks"].of == "1 of 2"


def test_a_leak_that_projection_does_not_show_counts_against_three_dimensions_only():
    told = figures(CAUGHT, outcome(leak=leakage(onset=None)))
    assert told["recall, projection-visible leaks"].value == 1.0
    assert told["recall against 3-D truth"].value == 0.5


def test_delay_is_counted_in_judged_frames_and_in_seconds():
    told = figures(CAUGHT, LATE)
    assert told["delay after visible onset, judged frames"].value == 12.0
    assert told["delay after visible onset, s"].value == pytest.approx(1.2)


def test_a_delay_says_how_many_leaks_it_knows_nothing_of():
    assert figures(CAUGHT, LATE, MISSED)["delay after visible onset, judged frames"].of.endswith("n 2 of 3")
    assert targets(CAUGHT, LATE, MISSED)["the 95th percentile"].figure.of == "n 2 of 3"
    assert figures(MISSED)["delay after visible onset, judged frames"].of == "n 0 of 1"


def test_false_alarms_are_counted_once_each_by_their_worst_priority():
    worsened = telling(50, is_true=False, alert="a30", is_first=False)
    told = figures(QUIET, outcome(*NOISY.tellings, worsened, telling(60, is_true=False, priority=Priority.LOW)))
    assert told["false alarms, HIGH, per level"].value == 0.5
    assert told["false alarms, audible, per level"].value == 1.0
    assert told["false alarms, of any priority, per level"].value == 1.5
    assert told["false alarms, audible, per minute"].value == pytest.approx(2 / (40 / 60))


def test_canal_and_foramen_are_one_zone_and_soft_tissue_is_another():
    canal = leakage(zone=Zone.CANAL)
    assert outcome(telling(104, is_true=True, zone=Zone.FORAMEN), leak=canal).is_zone_right
    assert not outcome(telling(104, is_true=True, zone=Zone.SOFT_TISSUE), leak=canal).is_zone_right
    assert MISSED.is_zone_right is None


def test_an_approach_alarm_catches_no_leak_and_may_be_false():
    near = telling(90, is_true=True, kind=Kind.APPROACH, zone=Zone.POSTERIOR_BAND)
    assert outcome(near, leak=leakage()).caught is None
    far = telling(20, is_true=False, kind=Kind.APPROACH, zone=Zone.POSTERIOR_BAND)
    assert outcome(far).false_audible == (far,)


def test_an_alarm_that_worsens_at_the_leak_tells_of_it():
    before = telling(50, is_true=False)
    at_it = telling(103, is_true=True, alert=before.alert, is_first=False)
    both = outcome(before, at_it, leak=leakage())
    assert both.caught == at_it
    assert both.false_alarms == (before,)


def test_a_leak_that_is_told_silently_is_told_but_not_caught():
    silent = telling(101, is_true=True, told_as=Priority.LOW)
    loud = telling(112, is_true=True, alert=silent.alert, is_first=False, told_as=Priority.MEDIUM)
    assert outcome(silent, leak=leakage()).caught is None
    assert outcome(silent, leak=leakage()).is_failed
    assert outcome(silent, loud, leak=leakage()).delay == 12
    told = figures(outcome(silent, leak=leakage()), MISSED)
    assert told["recall, projection-visible leaks"].value == 0.0
    assert told["visible leaks that were told, silently or not"].value == 0.5


def test_a_false_alarm_that_grows_sounds_again_each_time():
    grown = telling(50, is_true=False, alert="a30", is_first=False)
    silent = telling(60, is_true=False, alert="a30", is_first=False, told_as=Priority.LOW)
    told = figures(outcome(telling(30, is_true=False), grown, silent), QUIET)
    assert told["false alarms, audible, per level"].value == 0.5
    assert told["times that a false alarm sounded, per level"].value == 1.0


def test_the_canal_named_beside_another_leak_is_counted_although_the_alarm_is_no_false_one():
    disc = outcome(telling(104, is_true=True, zone=Zone.CANAL), leak=leakage(zone=Zone.DISC))
    right = outcome(telling(104, is_true=True, zone=Zone.FORAMEN), leak=leakage(zone=Zone.CANAL))
    nowhere = outcome(telling(30, is_true=False, zone=Zone.FORAMEN))
    assert not disc.false_alarms
    assert figures(disc, right, nowhere)["canal or foramen named where none leaked, per level"].of == "2 in 3 levels"


def test_frames_refused_without_reason_and_the_reverse():
    told = figures(outcome(n_clear=90, n_unfit_clear=9, n_veiled=10, n_fit_veiled=4))
    assert told["clear frames called unfit"].value == pytest.approx(0.1)
    assert told["veiled frames called fit"].value == pytest.approx(0.4)


def test_every_row_of_the_targets_is_there_with_its_verdict():
    spinal = outcome(telling(101, is_true=True, zone=Zone.CANAL), leak=leakage(zone=Zone.CANAL))
    precise = outcome(precision=Precision(dice=0.95, distance_errors_mm=(0.5, -0.7)))
    rows = targets(spinal, CAUGHT, precise)
    assert rows["recall, canal and foramen, large"].is_met
    assert rows["recall, vein, disc, soft tissue, tract"].is_met
    assert not rows["delay from visible onset, judged frames"].is_met
    assert rows["delay from visible onset, judged frames"].figure.value == 2.5
    assert rows["the 95th percentile"].is_met
    assert rows["lead of 3 s before contact, slow fronts"].is_met is None
    assert rows["distance to the wall, error, mm"].is_met
    assert str(rows["lead of 3 s before contact, slow fronts"]).endswith("not measured")
    assert "NOT MET" in str(rows["delay from visible onset, judged frames"])


def test_what_is_asked_without_landmarks_is_less_and_more():
    given, found = targets(CAUGHT), targets(CAUGHT, is_given=False)
    assert given["zone named right"].wanted == ">= 0.95"
    assert found["zone named right"].wanted == ">= 0.9"
    assert found.keys() - given.keys() == {"body corners, error, mm", "levels whose body is not found"}


def test_a_small_canal_leak_is_not_among_those_that_must_be_seen():
    specks = leakage(zone=Zone.CANAL, ml=0.01)
    small = outcome(
        leak=specks.__class__(zones=specks.zones, ml=0.01, width_mm=1.0, length_mm=12.0, onset=specks.onset)
    )
    assert targets(small)["recall, canal and foramen, large"].is_met is None


def test_only_slow_fronts_ask_for_a_lead():
    contacts = [Contact(at_s=20.0, speed_mm_s=v, lead_s=lead) for v, lead in ((0.4, 5.0), (0.3, 1.0), (2.0, None))]
    row = targets(*(outcome(contacts=(contact,)) for contact in contacts))["lead of 3 s before contact, slow fronts"]
    assert row.figure.of == "1 of 2"


def test_a_high_alarm_on_a_negative_control_breaks_the_zero():
    quiet = [outcome(is_control=True) for _ in range(40)]
    loud = outcome(telling(40, is_true=False, priority=Priority.HIGH), is_control=True)
    assert targets(*quiet)["on the negative controls"].is_met
    assert not targets(*quiet, loud)["on the negative controls"].is_met
    assert targets(*quiet, loud)["false HIGH alarms per level"].is_met


def test_tables_have_a_row_for_each_label():
    veiled = outcome(leak=leakage(zone=Zone.CANAL), confounders=frozenset({"hand", "glare"}), dose="low")
    tables = dict(breakdowns([CAUGHT, veiled, NOISY]))
    assert [row.split()[0] for row in tables["confounder"]] == ["glare", "hand"]
    assert [row.split()[0] for row in tables["dose"]] == ["low", "usual"]
    assert [row.split()[0] for row in tables["true zone"]] == ["canal", "vein"]
    assert tables["confounder"][0].split()[1:3] == ["2", "0.50"]


def test_a_leak_that_its_view_hides_counts_against_three_dimensions_alone():
    hidden = outcome(leak=leakage(onset=None), view=View.AP)
    tables = dict(breakdowns([CAUGHT, MISSED, hidden]))
    assert [row.split()[:3] for row in tables["view"]] == [["ap", "0", "-"], ["lateral", "2", "0.50"]]
    assert [row.split()[:3] for row in tables["view, leaks in 3-D"]] == [
        ["ap", "1", "0.00"],
        ["lateral", "2", "0.50"],
    ]


def test_keeping_back_small_alerts_costs_recall_and_spares_false_alarms():
    small, large = telling(30, is_true=False, peak_mm2=3.0), telling(104, is_true=True, peak_mm2=30.0)
    points = {line[:26].strip(): line.split()[-2:] for line in curve_of([outcome(small, large, leak=leakage())])}
    assert points["at least 0 mm2"] == ["1.00", "1.00"]
    assert points["at least 4 mm2"] == ["1.00", "0.00"]
    assert points["at least 32 mm2"] == ["0.00", "0.00"]


def test_intervals_are_those_of_the_books():
    assert wilson(7, 8) == pytest.approx((0.529, 0.978), abs=0.001)
    assert wilson(0, 0) == (0.0, 1.0)
    assert byar(0) == pytest.approx((0.0, 3.69), abs=0.03)
    assert byar(10) == pytest.approx((4.79, 18.39), abs=0.03)
    assert share("", [True, None, False]).of == "1 of 2"
    assert share("", []).value is None
    assert rate("", 3, 0, "levels").value is None
    middle = median("", [*range(1, 21), None])
    assert (middle.value, middle.low, middle.high) == (10.5, 6, 15)


def test_an_interval_about_a_median_holds_it_in_95_percent_and_no_narrower_one_does():
    for n in range(1, 60):
        rank = rank_about_median(n)
        missed_by = [2 * sum(comb(n, k) for k in range(each)) / 2**n for each in (rank, rank + 1)]
        assert missed_by[0] <= 0.05 < missed_by[1], n


def test_a_handful_of_values_has_a_median_and_no_interval():
    few = median("", [1.0, 2.0, 3.0, 4.0, 5.0])
    assert (few.value, few.low, few.high) == (3.0, None, None)


def test_frames_of_one_scene_make_no_interval():
    told = pooled("", [[1.0, 1.0, 1.0], [], [3.0] * 4], "scenes")
    assert (told.value, told.low, told.high) == (3.0, None, None)
    assert told.of == "p95 3.00, n 7 of 2 scenes"
    assert pooled("", [[]], "scenes").value is None
