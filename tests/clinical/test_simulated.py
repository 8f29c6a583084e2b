"""Patients made to fit a published summary: their tables come out as printed, or it is said why nobody can fit."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from db.connect import connect
from db.record import Draft, find, listing, write
from service.__main__ import main
from service.clinical.audit import audit
from service.clinical.files import take_files, write_rows
from service.clinical.finding import Verdict
from service.clinical.grid import Grid, Printed, draw, why_not
from service.clinical.held import hold
from service.clinical.printed import page_of
from service.clinical.published import read
from service.clinical.questions import read_page
from service.clinical.simulated import simulate

SERIES = Path(__file__).parent / "series"
SAFETY = "Assistive research software, not a medical device."


def published(name):
    return read((SERIES / f"{name}.toml").read_text(encoding="utf-8"))


def taken(engine, series, folder):
    """The series, by way of the files that are imported."""
    names = write_rows(series.rows, folder, SAFETY)
    intake = take_files(engine, [folder / name for name in names], at=1000.0, dry_run=False)
    assert intake.bad == []
    return intake


@pytest.fixture(scope="module")
def department(tmp_path_factory):
    """Both series in one record."""
    folder = tmp_path_factory.mktemp("simulated")
    engine = connect(f"sqlite:///{folder}/journal.sqlite")
    for name in ("zhengzhou", "beijing"):
        taken(engine, simulate(published(name), name, seed=1), folder / name)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("name", ["zhengzhou", "beijing"])
def test_every_printed_number_that_can_be_so_comes_out_of_the_record(department, name):
    found = hold(department, published(name))
    assert len(found) > 10
    assert [each for each in found if each.verdict is not Verdict.REPRODUCES] == []


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "zhengzhou",
            (
                "| - strong_opioid | 24/34 (70.6 %;",
                "| - halved | 18/34 (52.9 %;",
                "| - fever | 6/8 (75.0 %;",
                "| before | 8.11 ± 0.37 (n 34);",
                "| m12 | 36.40 ± 4.70 (n 34);",
                "| vertebrae with a leak | 19/50 (38.0 %; 24.7-52.8) |",
            ),
        ),
        (
            "beijing",
            (
                "| - unilateral | 47/82 (57.3 %;",
                "| vertebrae with a leak | 21/82 (25.6 %; 16.6-36.4) |",
                "| patients with a leak | 13/39 (33.3 %; 19.1-50.2) |",
                "| operation.n_levels | 2.10 ± 0.31 (n 39);",
            ),
        ),
    ],
)
def test_the_tables_of_one_series_are_printed_beside_another_series(department, name, lines):
    page = read_page((SERIES / f"{name}-questions.toml").read_text(encoding="utf-8"))
    text = "\n".join(page_of(department, page, SAFETY))
    assert [line for line in lines if line not in text] == []


def test_made_patients_are_marked_and_keep_to_the_scales(department):
    made = listing(department, "patient")
    assert {each.fields["remark"] for each in made} == {"made to fit a published summary; no patient"}
    visits = listing(department, "follow_up")
    assert all(0 <= each.fields["vas"] <= 10 for each in visits if each.fields["vas"] is not None)
    odi = [each.fields["odi"] for each in visits if each.fields["odi"]]
    assert all(0 <= answer <= 5 for answers in odi for answer in answers.values() if answer is not None)
    n_answered = [sum(answer is not None for answer in answers.values()) for answers in odi]
    assert (n_answered.count(9), n_answered.count(10)) == (6, 6 * 33), (
        "one patient left a section out at each of six times"
    )


def test_the_same_seed_makes_the_same_patients_and_another_makes_others():
    first, again, other = (simulate(published("beijing"), "b", seed).rows for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_record_that_tells_otherwise_is_flagged_with_its_number(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")
    taken(engine, simulate(published("beijing"), "b", seed=3), tmp_path / "files")
    seen = find(engine, "leak", "b-l0")
    rejected = {**seen.fields, "finding": "rejected"}
    write(engine, [Draft(kind="leak", id="b-l0", base=1, fields=rejected)], at=2000.0, actor="doctor")
    flagged = [each for each in hold(engine, published("beijing")) if each.verdict is Verdict.FLAG]
    assert [each.about for each in flagged] == ["leaks"]
    assert "20/82 vertebrae" in flagged[0].found
    engine.dispose()


def test_a_mean_of_other_patients_than_printed_is_flagged(department):
    fewer = (
        (SERIES / "beijing.toml")
        .read_text(encoding="utf-8")
        .replace('n = 39\nfield = "follow_up.vas', 'n = 38\nfield = "follow_up.vas')
    )
    flagged = [each for each in hold(department, read(fewer)) if each.verdict is Verdict.FLAG]
    assert [each.about for each in flagged] == ["VAS, before", "VAS, week", "VAS, m3"]
    assert "(n 39)" in flagged[0].found


IMPOSSIBLE = """title = "whole numbers only"
units = { patient = 34 }
[[course]]
label = "VAS"
low = 0
high = 10
n = 34
field = "follow_up.vas"
steps = [1]
[course.points]
before = { mean = 8.11, sd = 0.37, n = 34 }
h24 = { mean = 2.82, sd = 0.46, n = 34 }
"""


def test_where_nobody_can_fit_it_is_said_and_nobody_is_made(tmp_path):
    summary = read(IMPOSSIBLE)
    (found,) = (each for each in audit(summary) if each.about == "VAS, before: patients")
    assert (found.verdict, found.found[:26]) == (Verdict.FLAG, "no such patients can exist")
    series = simulate(summary, "x", seed=1)
    assert [each.printed for each in series.findings] == ["before"]
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")
    taken(engine, series, tmp_path / "files")
    told = {each.about: each for each in hold(engine, summary)}
    assert (told["VAS, before"].verdict, told["VAS, before"].found) == (Verdict.FLAG, "the record has nothing")
    assert told["VAS, h24"].verdict is Verdict.REPRODUCES
    engine.dispose()


FIGURE = """title = "one figure"
units = { patient = 4, vertebra = 4 }
[[figure]]
label = "volume"
field = "level.volume_ml"
unit = "vertebra"
n = 4
low = 2
high = 2
mean = 2
sd = 0
"""


def test_things_that_are_all_alike_are_made_and_keep_a_name_that_can_be_imported(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")
    taken(engine, simulate(read(FIGURE), "a study, Ü", seed=1), tmp_path / "files")
    assert [each.fields["volume_ml"] for each in listing(engine, "level")] == [2.0] * 4
    assert {each.verdict for each in [*hold(engine, read(FIGURE)), *audit(read(FIGURE))]} == {Verdict.REPRODUCES}
    engine.dispose()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("mean = 2", "mean = inf", "figure.0.mean: expected a number"),
        ("sd = 0", "sd = 0\nstep = 0", "figure.0.step: expected more than 0"),
        ("low = 2", "low = 3", "high: expected no less than low"),
        ('unit = "vertebra"', 'unit = "mouse"', "unit: expected one of patient"),
        ("patient = 4", "patient = 0", "units.patient: expected more than 0"),
        (
            "[[figure]]",
            '[[sum]]\nlabel = "sex"\nwhole = 100\nunit = "percent"\nparts = { male = "12.5" }\nfield = "patient.sex"\n[[figure]]',
            "parts: expected counts",
        ),
    ],
)
def test_a_summary_without_sense_is_refused_by_name(old, new, named):
    with pytest.raises(ValueError, match=named):
        read(FIGURE.replace(old, new))


MARKED = """title = "a fraction of patients"
units = { patient = 4, vertebra = 6 }
[[fraction]]
label = "ruptured"
numerator = 3
denominator = 4
unit = "patient"
where = [{ field = "level.posterior_wall", among = ["broken"] }]
is_made = true
"""


def test_a_fraction_of_patients_is_made_and_nothing_is_said_of_the_others():
    series = simulate(read(MARKED), "x", seed=1)
    walls = {each["operation"]: each["posterior_wall"] for each in series.rows["level"] if "posterior_wall" in each}
    assert list(walls.values()) == ["broken"] * 3, "three vertebrae of three patients"
    too_many = simulate(read(MARKED.replace("patient = 4", "patient = 2")), "x", seed=1)
    assert [(each.verdict, each.about) for each in too_many.findings] == [(Verdict.FLAG, "ruptured")]
    with pytest.raises(ValueError, match="is_made: expected patients"):
        read(MARKED.replace('unit = "patient"', 'unit = "vertebra"'))


@pytest.mark.parametrize("field", ["aliquot.volume_ml", "needle.gauge_g"])
def test_what_no_summary_makes_is_said(field):
    told = simulate(read(FIGURE.replace("level.volume_ml", field)), "x", seed=1).findings
    assert [(each.verdict, each.printed) for each in told] == [(Verdict.FLAG, field)]


def test_complications_of_nobody_are_said(tmp_path):
    of_nobody = CORTET.replace("units = { patient = 37, vertebra = 40 }", "")
    told = simulate(read(of_nobody), "x", seed=1).findings
    assert [each.about for each in told] == ["control of pain", "complications"]


SITES = """title = "two printed words, one of the record's, and a site that nobody saw"
units = { patient = 3, vertebra = 3 }
[[leaks]]
label = "leaks"
modality = "CT"
seen_with = "ct"
vertebrae = 3
leaking = 2
sites = { above = 1, below = 1, spinal_canal = 0 }
codes = { above = "disc", below = "disc" }
"""


def test_words_of_one_code_are_added_and_a_site_of_none_is_no_contradiction(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")
    taken(engine, simulate(read(SITES), "x", seed=1), tmp_path / "files")
    (found,) = hold(engine, read(SITES))
    assert found.verdict is Verdict.REPRODUCES, found
    engine.dispose()


CORTET = """title = "Cortet 1997, in the table of the Bologna review"
site = "Cortet 1997"
units = { patient = 37, vertebra = 40 }
[[sum]]
label = "control of pain"
whole = 37
unit = "visit"
parts = { complete = "5", better = "20", moderate = "11", none = "1" }
field = "follow_up.pain_class"
codes = { complete = "excellent", better = "good", moderate = "fair", none = "poor" }
time = "m3"
[[sum]]
label = "complications"
whole = 2
unit = "complication"
parts = { radiculopathy = "2" }
field = "complication.kind"
"""


def test_a_row_of_the_review_comes_out_of_its_series(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")
    taken(engine, simulate(read(CORTET), "cortet", seed=1), tmp_path / "files")
    assert {each.verdict for each in hold(engine, read(CORTET))} == {Verdict.REPRODUCES}
    page = read_page((SERIES / "bologna-questions.toml").read_text(encoding="utf-8"))
    text = "\n".join(page_of(engine, page, SAFETY))
    for line in ("|  | Cortet 1997 (n 37) | test |", "| - good | 20/37 (54.1 %;", "| - poor | 1/37 (2.7 %;"):
        assert line in text
    engine.dispose()


def test_one_command_makes_another_imports_a_third_compares(tmp_path, monkeypatch):
    monkeypatch.setenv("CEMENTWATCH_DATA_DIR", str(tmp_path / "data"))
    file, folder = str(SERIES / "beijing.toml"), tmp_path / "files"
    run = CliRunner().invoke(main, ["simulate-records", file, "--out", str(folder)])
    assert run.exit_code == 0, run.output
    assert "none of these patients ever lived" in run.output
    assert (folder / "patients.csv").read_text(encoding="utf-8").startswith("# Assistive research software")
    before = CliRunner().invoke(main, ["audit-table", "--records", file])
    assert before.exit_code == 1
    assert "the record has nothing" in before.output
    assert CliRunner().invoke(main, ["import-records", *map(str, folder.glob("*.csv"))]).exit_code == 0
    run = CliRunner().invoke(main, ["audit-table", "--records", file])
    assert run.exit_code == 0, run.output


GRID = Grid(step=Fraction(1), low=0, high=3)


def printed_of(values, decimals):
    """As a paper would print it."""
    mean, sd = round(Fraction(sum(values), len(values)), decimals), round(Fraction(np.std(values, ddof=1)), decimals)
    half = Fraction(1, 2 * 10**decimals)
    return Printed(mean=mean, sd=sd, n=len(values), mean_half=half, sd_half=half)


def test_what_four_small_numbers_can_come_to_is_never_called_impossible_and_is_found():
    chance = np.random.default_rng(5)
    for values in itertools.combinations_with_replacement(range(4), 4):
        told = printed_of(values, 2)
        assert why_not(told, GRID) is None
        found = draw(told, GRID, chance)
        assert found is not None
        assert printed_of(found, 2) == told


def test_what_is_called_impossible_of_four_small_numbers_is_and_little_else_is_missed():
    possible = {(told.mean, told.sd) for v in itertools.product(range(4), repeat=4) if (told := printed_of(v, 2))}
    half, undecided = Fraction(1, 200), []
    for mean, sd in itertools.product(range(0, 301, 25), range(201)):
        told = Printed(mean=Fraction(mean, 100), sd=Fraction(sd, 100), n=4, mean_half=half, sd_half=half)
        if why_not(told, GRID) is not None:
            assert (told.mean, told.sd) not in possible
        elif (told.mean, told.sd) not in possible:
            undecided.append(told.texts())
            assert draw(told, GRID, np.random.default_rng(1)) is None
    assert undecided == [("0.75", "1.26"), ("1.50", "1.53"), ("2.25", "1.26")], "gaps beside the most uneven values"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 100), min_size=5, max_size=40))
def test_real_patients_are_never_called_impossible(values):
    told = printed_of(values, 2)
    assert why_not(told, Grid(step=Fraction(1), low=0, high=100)) is None
