"""Shares, spreads, named tests and survival against answers worked out by hand or printed in textbooks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.clinical.comparisons import (
    OF_COUNTS,
    MeanSd,
    anova_of_summaries,
    chi_square,
    fisher,
    friedman,
    mann_whitney,
    paired_t,
    paired_t_of_summaries,
    repeated_anova,
    student_t,
    t_of_summaries,
    welch_t,
    wilcoxon,
)
from service.clinical.figures import p_text, printed_as, share, spread
from service.clinical.survival import Life, curve, log_rank


def test_a_share_has_fraction_unit_and_two_intervals():
    told = share(19, 50, "vertebra")
    assert (told.percent, told.unit) == (38.0, "vertebra")
    assert (told.exact.low, told.exact.high) == (pytest.approx(24.65, abs=0.01), pytest.approx(52.83, abs=0.01))
    assert (told.wilson.low, told.wilson.high) == (pytest.approx(25.86, abs=0.01), pytest.approx(51.85, abs=0.01))
    assert told.exact.method == "Clopper-Pearson"


@pytest.mark.parametrize(("n", "of", "low", "high"), [(0, 34, 0, 10.3), (21, 82, 16.6, 36.4), (13, 39, 19.1, 50.2)])
def test_exact_intervals_of_the_printed_fractions(n, of, low, high):
    exact = share(n, of, "patient").exact
    assert (round(exact.low, 1), round(exact.high, 1)) == (low, high)


def test_a_share_of_nothing_is_not_zero_percent():
    assert share(0, 0, "patient").percent is None
    with pytest.raises(ValueError, match="numerator"):
        share(3, 2, "patient")


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_an_interval_holds_its_share_and_stays_within_100_percent(fraction):
    told = share(*fraction, "vertebra")
    for span in (told.exact, told.wilson):
        assert 0 <= span.low <= told.percent + 1e-9
        assert told.percent - 1e-9 <= span.high <= 100


def test_a_spread_counts_what_is_missing():
    told = spread([2, None, 4, 4, 6, None])
    assert (told.n, told.n_missing, told.mean, told.median, told.low, told.high) == (4, 2, 4, 4, 2, 6)
    assert told.sd == pytest.approx(1.63299, abs=1e-5)
    assert spread([None]).mean is None
    assert spread([3]).sd is None


@pytest.mark.parametrize(
    ("value", "printed", "holds"), [(38.0, "38.2", False), (33.333, "33.3", True), (25.61, "26", True)]
)
def test_a_printed_number_holds_when_the_value_rounds_to_it(value, printed, holds):
    assert printed_as(value, printed) is holds


SLEEP = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])


def test_students_own_sleep_example():
    first, second = SLEEP
    assert paired_t(first, second).p == pytest.approx(0.00283, abs=1e-5)
    assert student_t({"a": first, "b": second}).p == pytest.approx(0.07919, abs=1e-5)
    told = welch_t({"a": first, "b": second})
    assert (told.p, told.df[0]) == (pytest.approx(0.07939, abs=1e-5), pytest.approx(17.776, abs=1e-3))
    assert told.n == {"a": 10, "b": 10}
    assert "unequal" in told.options


def test_rank_tests_name_themselves():
    told = mann_whitney({"a": [1, 2, 3], "b": [4, 5, 6]})
    assert (told.name, told.p) == ("Mann-Whitney U test", pytest.approx(0.1))
    assert wilcoxon([1, 2, 3, 4, 5], [2, 4, 6, 8, 10]).p == pytest.approx(0.0625)
    tied = wilcoxon([1, 2, 3, 4, 5], [2, 3, 5, 6, 8])
    assert tied.p == pytest.approx(2 / 2**5), "exact, although ranks are tied"
    assert "up to 13 with them" in tied.options


def test_counts_with_and_without_yates_and_exactly():
    tea = [[3, 1], [1, 3]]
    assert fisher(tea).p == pytest.approx(0.4857, abs=1e-4)
    assert chi_square(tea).p == pytest.approx(0.1573, abs=1e-4)
    told = chi_square(tea, has_yates=True)
    assert told.p == pytest.approx(0.4795, abs=1e-4)
    assert told.remark == "4 of 4 cells expect fewer than 5"
    assert OF_COUNTS["chi_square_yates"](tea) == told


def test_courses_of_patients():
    rows = [[8, 4, 2], [7, 5, 3], [9, 5, 1], [8, 3, 2]]
    assert friedman(rows).statistic == pytest.approx(8.0)
    told = repeated_anova(rows)
    assert (told.statistic, told.df) == (pytest.approx(36.75 / (5.8333333 / 6)), (2, 6))
    assert repeated_anova([row[:2] for row in rows]).statistic == pytest.approx(
        paired_t([row[0] for row in rows], [row[1] for row in rows]).statistic ** 2
    )


@pytest.mark.parametrize(
    "told",
    [
        student_t({"a": [1.0], "b": [2.0, 3.0]}),
        student_t({"a": [1.0, 2.0]}),
        student_t({"a": [2.0, 2.0], "b": [2.0, 2.0]}),
        paired_t([1, 2], [1, 2]),
        paired_t([1], [2]),
        chi_square([[1, 2], [0, 0]]),
        fisher([[1, 2, 3], [4, 5, 6]]),
        friedman([[1, 2, 3]]),
        repeated_anova([[1, 2]]),
        log_rank({"a": [Life(months=1, is_death=True)]}),
        t_of_summaries(MeanSd(mean=5, sd=0, n=9), MeanSd(mean=4, sd=0, n=9)),
        paired_t_of_summaries(MeanSd(mean=5, sd=0, n=9), MeanSd(mean=4, sd=0, n=9), 0.5),
        anova_of_summaries([MeanSd(mean=mean, sd=0, n=9) for mean in (5, 4, 3)]),
    ],
    ids=lambda told: told.name,
)
def test_a_test_without_an_answer_says_why(told):
    assert told.p is None
    assert told.remark


def test_published_summaries_can_be_tested_again():
    before, after = MeanSd(mean=8.11, sd=0.37, n=34), MeanSd(mean=2.82, sd=0.46, n=34)
    assert round(t_of_summaries(before, after).statistic) == 52
    beijing = MeanSd(mean=4.3, sd=2.4, n=39), MeanSd(mean=3.0, sd=1.7, n=39)
    assert round(paired_t_of_summaries(*beijing, correlation=0.0).p, 4) == 0.0088
    assert round(paired_t_of_summaries(*beijing, correlation=0.5).p, 4) == 0.0005
    same = anova_of_summaries([before, after])
    assert same.statistic == pytest.approx(t_of_summaries(before, after).statistic ** 2)


REMISSION = {
    "6-MP": [6, 6, 6, 7, 10, 13, 16, 22, 23],
    "6-MP alive": [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35],
    "placebo": [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23],
}


def lives(died, alive=()):
    return [Life(months=m, is_death=True) for m in died] + [Life(months=m, is_death=False) for m in alive]


def test_kaplan_meier_of_freireichs_leukaemia_trial():
    told = curve(lives(REMISSION["6-MP"], REMISSION["6-MP alive"]))
    assert (told.n, told.n_deaths, told.median_months) == (21, 9, 23)
    first = told.steps[0]
    assert (first.months, first.n_at_risk, first.n_deaths) == (6, 21, 3)
    assert [round(step.survival, 3) for step in told.steps[:3]] == [0.857, 0.807, 0.753]
    assert all(step.low <= step.survival <= step.high for step in told.steps)
    assert curve(lives(REMISSION["placebo"])).steps[-1].low is None
    assert curve(lives(REMISSION["placebo"])).median_months == 8


def test_log_rank_of_freireichs_leukaemia_trial():
    told = log_rank({"6-MP": lives(REMISSION["6-MP"], REMISSION["6-MP alive"]), "placebo": lives(REMISSION["placebo"])})
    assert told.statistic == pytest.approx(16.79, abs=0.01)
    assert told.n == {"6-MP": 21, "placebo": 21}


def test_a_median_at_exactly_half_alive_is_not_missed_by_rounding():
    told = curve(lives([1, 1, 2, 2, 3, 4, 5, 5, 5], alive=[3]))
    assert told.steps[2].survival == pytest.approx(0.5), "4/5 of 3/4 of 5/6"
    assert told.median_months == 3


def test_a_median_that_was_not_reached_is_none_and_nobody_is_no_curve():
    assert curve(lives([3], [10, 10, 10])).median_months is None
    assert curve([]).steps == ()
    with pytest.raises(ValueError, match="months"):
        curve([Life(months=-1, is_death=True)])


@pytest.mark.parametrize(
    ("p", "text"), [(4e-10, "4e-10"), (0.0283, "0.028"), (0.0088, "0.0088"), (0.5, "0.5"), (0, "0")]
)
def test_p_values_in_sentences(p, text):
    assert p_text(p) == text
