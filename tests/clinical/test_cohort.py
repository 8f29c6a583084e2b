"""Cohorts: the printed tables come out of records that fit them, and what does not add up is said."""

from __future__ import annotations

import pytest

from db.cohort import Condition, rows
from db.connect import connect
from service.clinical.cohort import cohort_table
from service.clinical.cohort_fields import nature_of
from service.clinical.cohort_series import cohort_course, cohort_leaks, cohort_survival
from service.clinical.instruments import ImpossibleAnswer
from tests.clinical.conftest import PRIMARIES, SITES, ZHENGZHOU_VAS, draft, put, zhengzhou


@pytest.fixture(params=["sqlite", "postgresql"])
def series(request, tmp_path):
    url = f"sqlite:///{tmp_path}/z.sqlite"
    engine = connect(request.getfixturevalue("postgres_url") if request.param == "postgresql" else url)
    put(engine, *zhengzhou())
    yield engine
    engine.dispose()


def test_the_tables_of_the_zhengzhou_series_come_out_as_printed(series):
    told = cohort_table(series, "patient", {"patient.primary_tumour": None, "patient.sex": None})
    assert told.groups == {"all": 34}
    tumours, sex = told.rows
    assert {row.value: row.groups["all"].numerator for row in tumours.values} == PRIMARIES
    assert {(row.value, row.groups["all"].denominator, row.groups["all"].unit) for row in sex.values} == {
        ("male", 34, "patient"),
        ("female", 34, "patient"),
    }
    (volume,) = cohort_table(series, "vertebra", {"level.volume_ml": None}).rows
    assert (volume.groups["all"].n, round(volume.groups["all"].mean, 2), round(volume.groups["all"].sd, 2)) == (
        50,
        3.22,
        0.84,
    )
    course = cohort_course(series, "follow_up.vas", pair_test="paired_t", course_test="repeated_anova")
    figures = {point.time_point: point.groups["all"] for point in course.points}
    assert {time: (round(each.mean, 2), round(each.sd, 2)) for time, each in figures.items()} == ZHENGZHOU_VAS
    assert {each.n for each in figures.values()} == {34}
    assert course.points[1].against_before["all"].p < 0.05
    assert course.overall["all"].n == {"patients": 34}
    leaks = cohort_leaks(series, "fluoroscopy").groups["all"]
    assert (leaks.vertebrae.numerator, leaks.vertebrae.denominator, leaks.n_sites) == (19, 50, 20)
    assert (round(leaks.vertebrae.exact.low, 1), round(leaks.vertebrae.exact.high, 1)) == (24.7, 52.8)
    assert {site: each.numerator for site, each in leaks.sites.items()} == SITES
    assert cohort_leaks(series, "ct").groups["all"].vertebrae.denominator == 0


@pytest.fixture
def department(engine):
    """Four patients in two arms: one dead, one lost, one without an arm."""
    put(
        engine,
        draft("patient", "a", pseudonym="A", arm="itr", sex="male", died_on="2026-07-01"),
        draft("patient", "b", pseudonym="B", arm="itr", sex="female", last_seen_on="2026-12-01"),
        draft("patient", "c", pseudonym="C", arm="pvp", sex="female", last_seen_on="2026-06-01"),
        draft("patient", "d", pseudonym="D", sex="male"),
        *(draft("operation", f"o{p}", patient=p, kind="pvp", performed_on="2026-01-01", n_screws=n) for n, p in enumerate("abcd")),
        draft("level", "v1", operation="oa", level="L1", lesion="lytic", volume_ml=4, examined_with=["live", "ct"]),
        draft("level", "v2", operation="oa", level="L2", lesion="blastic", volume_ml=2, examined_with=["live"]),
        draft("level", "v3", operation="ob", level="T12", lesion="lytic", volume_ml=3, examined_with=["live", "ct"]),
        draft("level", "v4", operation="oc", level="L3", lesion="lytic", examined_with=["live"]),
        draft("level", "v5", operation="od", level="L3"),
        draft("leak", "k1", level="v1", site="disc", modality="live"),
        draft("leak", "k2", level="v1", site="spinal_canal", modality="ct"),
        draft("leak", "k3", level="v3", site="vein", modality="live", finding="rejected"),
        draft("leak", "k4", level="v4", site="vein", modality="live", finding="proposed"),
        draft("follow_up", "f1", operation="oa", time_point="before", vas=8),
        draft("follow_up", "f2", operation="ob", time_point="before", vas=6),
        draft("follow_up", "f3", operation="oa", time_point="m3", vas=3),
        draft("follow_up", "f4", operation="oa", time_point="later", months=14, vas=2),
        draft("follow_up", "f5", operation="oa", time_point="later", months=20, vas=1),
        draft("complication", "c1", operation="oa", kind="fever"),
    )  # fmt: skip
    return engine


def test_groups_keep_their_denominators_and_say_what_is_missing(department):
    told = cohort_table(
        department, "vertebra", {"level.lesion": "fisher", "level.volume_ml": "welch_t"}, group="patient.arm"
    )
    assert told.groups == {"itr": 3, "pvp": 1, "not known": 1}
    lesion, volume = told.rows
    shares = {row.value: row.groups for row in lesion.values}
    assert (shares["lytic"]["itr"].numerator, shares["lytic"]["itr"].denominator) == (2, 3)
    assert shares["lytic"]["not known"].denominator == 0
    assert lesion.missing == {"itr": 0, "pvp": 0, "not known": 1}
    assert lesion.test.name == "Fisher exact test"
    assert (volume.groups["itr"].mean, volume.groups["pvp"].n, volume.groups["pvp"].mean) == (3.0, 0, None)
    assert volume.test.remark == "needs at least two values in each group"
    assert told.warnings[0] == "1 of 5 (vertebra) belong to no group and to no test"
    assert any("level.volume_ml: not known in pvp 1 of 1" in warning for warning in told.warnings)


def test_leaks_on_the_screen_and_on_ct_are_never_pooled(department):
    live = cohort_leaks(department, "fluoroscopy", group="patient.arm", test="fisher")
    assert (live.groups["itr"].vertebrae.numerator, live.groups["itr"].vertebrae.denominator) == (1, 3)
    assert set(live.groups["itr"].sites) == {"disc"}
    nothing = live.groups["pvp"].sites["disc"]
    assert (nothing.numerator, nothing.denominator, nothing.exact.high) == (0, 1, 97.5), "0 has an upper limit"
    assert any("tests take what belongs to one patient as independent" in warning for warning in live.warnings)
    assert live.groups["itr"].patients.denominator == 2
    assert live.test.n == {"all": 4}
    ct = cohort_leaks(department, "ct")
    assert (ct.groups["all"].vertebrae.numerator, ct.groups["all"].vertebrae.denominator) == (1, 2)
    assert "3 vertebrae were not examined this way" in ct.warnings[0]


def test_only_confirmed_leaks_count_and_undecided_ones_are_told(department):
    told = cohort_leaks(department, "fluoroscopy")
    assert told.groups["all"].n_sites == 1
    assert "1 vertebrae count as without a leak although a proposed one" in told.warnings[0]


def test_of_two_visits_at_one_time_point_the_later_counts_whatever_order_they_were_written_in(department):
    put(
        department,
        draft("follow_up", "g1", operation="ob", time_point="m3", seen_on="2026-04-20", vas=1),
        draft("follow_up", "g2", operation="ob", time_point="m3", seen_on="2026-03-20", vas=9),
    )
    m3 = cohort_course(department, "follow_up.vas").points[1]
    assert (m3.time_point, m3.groups["all"].n, m3.groups["all"].mean) == ("m3", 2, (3 + 1) / 2)


def test_a_second_operation_on_a_patient_is_told_where_tests_take_operations_as_independent(department):
    assert not any("operations of" in warning for warning in cohort_course(department, "follow_up.vas").warnings)
    put(
        department,
        draft("operation", "oa2", patient="a", kind="pvp", performed_on="2026-02-01"),
        draft("follow_up", "g3", operation="oa2", time_point="before", vas=7),
    )
    warnings = cohort_course(department, "follow_up.vas").warnings
    assert any("3 operations of 2 patients" in warning for warning in warnings)


def test_a_course_says_how_many_remain(department):
    told = cohort_course(department, "follow_up.vas", pair_test="wilcoxon", course_test="friedman")
    n = {point.time_point: point.groups["all"].n for point in told.points}
    assert n == {"before": 2, "m3": 1, "later": 1}
    assert told.points[-1].groups["all"].mean == 1
    assert told.points[1].against_before["all"].n == {"pairs": 1}
    assert told.overall["all"].n == {"patients": 1}
    assert "changes over time: before 2, m3 1, later 1" in told.warnings[0]
    assert "several values at one time point" in told.warnings[1]


def test_survival_runs_from_the_operation_and_says_who_is_left_out(department):
    told = cohort_survival(department, group="patient.arm")
    itr = told.groups["itr"]
    assert (itr.n, itr.n_deaths, round(itr.steps[0].months, 2), itr.steps[0].survival) == (2, 1, 5.95, 0.5)
    assert told.groups["pvp"].median_months is None
    assert told.test.name == "log-rank test"
    assert told.test.remark == "at no death was more than one group under observation"
    assert told.warnings == ["not known: 1 of 1 patients lack the day of an operation or of the last news"]


@pytest.mark.parametrize(
    ("condition", "patients"),
    [
        (Condition(field="patient.sex", among=("female",)), ["b", "c"]),
        (Condition(field="level.lesion", among=("blastic",)), ["a"]),
        (Condition(field="leak.site", among=("disc",)), ["a"]),
        (Condition(field="operation.n_screws", low=1, high=2), ["b", "c"]),
        (Condition(field="patient.died_on", low="2026-01-01", high="2026-12-31"), ["a"]),
        (Condition(field="complication.kind", among=("fever",)), ["a"]),
    ],
)
def test_conditions_reach_up_and_down(department, condition, patients):
    assert sorted(row[0] for row in rows(department, "patient", ["patient.id"], [condition])) == patients


def test_what_is_withdrawn_counts_nowhere(department):
    from db.record import Draft, find, write

    seen = find(department, "level", "v2")
    gone = Draft(kind="level", id="v2", base=1, fields=seen.fields, is_withdrawn=True, reason="wrong")
    write(department, [gone], at=1.0, actor="doctor")
    assert cohort_table(department, "vertebra", {"level.lesion": None}).groups == {"all": 4}


def test_a_list_field_counts_every_word_and_says_so(department):
    told = cohort_table(department, "vertebra", {"level.examined_with": None})
    counted = {row.value: row.groups["all"].numerator for row in told.rows[0].values}
    assert counted == {"live": 4, "ct": 2}
    assert any("add up to more than their denominator" in warning for warning in told.warnings)


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda e: cohort_table(e, "patient", {"level.lesion": None}), "field"),
        (lambda e: cohort_table(e, "patient", {"patient.pseudonym": None}), "field"),
        (lambda e: cohort_table(e, "patient", {"patient.sex": "welch_t"}), "test"),
        (lambda e: cohort_table(e, "vertebra", {"level.volume_ml": None}, group="level.volume_ml"), "field"),
        (lambda e: cohort_table(e, "vertebra", {"level.examined_with": "chi_square"}), "test"),
        (lambda e: cohort_course(e, "follow_up.asia"), "field"),
        (lambda e: cohort_course(e, "follow_up.vas", pair_test="sign"), "pair_test"),
        (lambda e: cohort_leaks(e, "mri"), "seen_with"),
    ],
)
def test_a_question_without_sense_names_what_was_expected(engine, ask, named):
    with pytest.raises(ImpossibleAnswer) as told:
        ask(engine)
    assert told.value.field == named


def test_an_empty_record_is_an_empty_table(engine):
    assert cohort_table(engine, "patient", {"patient.sex": None}).groups == {"all": 0}
    assert cohort_leaks(engine, "ct").groups["all"].vertebrae.percent is None
    assert cohort_survival(engine).groups["all"].steps == []


def test_what_names_one_patient_makes_no_group():
    assert nature_of("patient.pseudonym") is None
    assert nature_of("leak.alert") is None
    assert (nature_of("operation.asa_class"), nature_of("level.has_cleft")) == ("number", "word")
