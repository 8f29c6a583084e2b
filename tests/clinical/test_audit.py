"""Published series as printed: the contradictions that are known of them are found, and worded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.__main__ import main
from service.clinical.audit import audit
from service.clinical.finding import Verdict
from service.clinical.published import Unreadable, read

SERIES = Path(__file__).parent / "series"


def findings(name):
    return audit(read((SERIES / f"{name}.toml").read_text(encoding="utf-8")))


def one(name, about, printed=""):
    found = [each for each in findings(name) if each.about == about and printed in each.printed]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("about", "printed", "verdict", "words"),
    [
        ("vertebrae by region", "", Verdict.FLAG, "add up to 31: 19 missing"),
        ("vertebrae with a leak", "38.2 %", Verdict.FLAG, "38.0 %, exact 95 % 24.7-52.8; 38.2 % would be 13/34"),
        ("vertebrae with a leak", "38.25 %", Verdict.FLAG, "38.0 %"),
        ("leaks", "", Verdict.NOTE, "1 more sites than leaking vertebrae"),
        ("end of recruitment", "", Verdict.FLAG, "contradict"),
        ("analgesics stopped or halved", "", Verdict.REPRODUCES, "79.4 %"),
        ("sex", "", Verdict.REPRODUCES, "34"),
        ("primary tumours", "", Verdict.REPRODUCES, "34"),
        ("analgesics before", "", Verdict.REPRODUCES, "34"),
        ("analgesics after", "", Verdict.REPRODUCES, "34"),
        ("leak sites by region", "", Verdict.REPRODUCES, "20"),
        ("patients with fever or leg discomfort", "extremely low", Verdict.FLAG, "8/34"),
        ("leaks into the canal", "", Verdict.NOTE, "exact 95 % 0.5-13.7"),
        ("embolism", "", Verdict.NOTE, "0.0-10.3"),
        ("pathological fracture", "", Verdict.NOTE, "58.8 %"),
        ("posterior cortex ruptured", "", Verdict.NOTE, "44.1 %"),
        ("root compression", "", Verdict.NOTE, "14.7 %"),
        ("VAS", "n by time", Verdict.FLAG, "34 is assumed"),
        ("VAS: before, h24", "", Verdict.REPRODUCES, "t 52"),
        ("ODI: before, h24", "", Verdict.REPRODUCES, "t 40.8"),
        ("VAS: h24, m1, m3, m6, m12", "", Verdict.FLAG, "F 14.4, p 4.1e-10"),
        ("VAS: h24, m1, m3, m6, m12", "", Verdict.FLAG, "at n = 10: one-way ANOVA (from mean and SD, as if independent) F 4.2, p 0.0054"),
        ("VAS: h24 against m12", "", Verdict.FLAG, "p 0.028"),
        ("ODI: h24, m1, m3, m6, m12", "", Verdict.FLAG, "F 25.4, p 2e-16"),
        ("VAS, before: patients", "", Verdict.NOTE, "no 34 values in steps of 1 have a mean that rounds to 8.11; the nearest are 8.088 and 8.118; only values in steps of 0.1"),
        ("VAS, m1: patients", "", Verdict.NOTE, "with the mean 2.47 have an SD that rounds to 0.42; only values in steps of 0.1"),
        ("ODI, before: patients", "", Verdict.NOTE, "rounds to 83.40; the nearest are 83.353 and 83.412; only with sections left unanswered"),
        ("cement in a vertebra: mean, SD and range", "", Verdict.REPRODUCES, "steps of 0.1"),
    ],
)  # fmt: skip
def test_the_zhengzhou_series(about, printed, verdict, words):
    found = one("zhengzhou", about, printed)
    assert found.verdict is verdict
    assert words in found.found


@pytest.mark.parametrize(
    ("about", "printed", "verdict", "words"),
    [
        ("vertebrae with a leak", "", Verdict.FLAG, "25.6 %, exact 95 % 16.6-36.4"),
        ("patients with a leak", "", Verdict.REPRODUCES, "33.3 %, exact 95 % 19.1-50.2"),
        ("fractured or not", "", Verdict.REPRODUCES, "82"),
        ("approach", "", Verdict.REPRODUCES, "82"),
        ("primary tumours", "", Verdict.REPRODUCES, "39"),
        ("leaks into the canal", "", Verdict.FLAG, "exact 95 % 0.0-6.6; 2/82 (vertebra) is 2.4 %, exact 95 % 0.3-8.5"),
        ("p of VAS", "", Verdict.FLAG, "contradict"),
        ("VAS before", "", Verdict.FLAG, "contradict"),
        ("VAS, before: class of the mean", "", Verdict.FLAG, "4.3 lies in no class"),
        ("age", "", Verdict.FLAG, "78 (figure)"),
        ("VAS and QLQ-BM22", "median +- SD", Verdict.FLAG, "the results call the same numbers means"),
        ("VAS: before, week", "", Verdict.OPEN, "p 0.0088 at r = 0, 0.00051 at r = 0.5"),
        ("VAS: before, m3", "p 0.002", Verdict.OPEN, "p 0.00051 at r = 0, 4.8e-06 at r = 0.5"),
        ("QLQ-BM22: before, week", "p 0.001", Verdict.OPEN, "p 0.010 at r = 0, 0.00059 at r = 0.5"),
        ("QLQ-BM22: before, m3", "p < 0.001", Verdict.OPEN, "p 0.00071 at r = 0, 7.7e-06 at r = 0.5"),
    ],
)
def test_the_beijing_series(about, printed, verdict, words):
    found = one("beijing", about, printed)
    assert found.verdict is verdict
    assert words in found.found


def test_the_table_of_the_bologna_review():
    assert {each.verdict for each in findings("bologna") if each.about.endswith("control of pain")} == {
        Verdict.REPRODUCES
    }
    cortet = one("bologna", "Cortet 1997, no relief")
    assert cortet.verdict is Verdict.FLAG
    assert "2.7 %" in cortet.found
    for printed in ("Weill 1996, radiculopathy", "Weill 1996, deaths", "Cortet 1997, radiculopathy"):
        assert one("bologna", printed).verdict is Verdict.REPRODUCES
    assert one("bologna", "Gangi 1999, complications").verdict is Verdict.REPRODUCES


@pytest.mark.parametrize(
    ("series", "verdict", "words"),
    [
        ("Weill 1996", Verdict.FLAG, "no count gives 21, 6 %; of 52 (vertebra) they are 38 + 11 + 3"),
        ("Cortet 1997", Verdict.FLAG, "no count gives 2.5 %"),
        ("Kaemmerlen 1989", Verdict.REPRODUCES, "14 + 3 + 2 + 1 = 20"),
    ],
)
def test_percentages_of_patients_must_be_counts_of_patients(series, verdict, words):
    found = one("bologna", f"{series}, control of pain: of what")
    assert found.verdict is verdict
    assert found.found.startswith(words)


COURSE = "title = 'x'\n[[course]]\nlabel = 'VAS'\nlow = 0\nhigh = 10\nn = 20\n[course.points]\n"


@pytest.mark.parametrize(
    ("point", "verdict", "words"),
    [
        ("before = {mean = 10.4, sd = 1, n = 20}", Verdict.FLAG, "no mean of a scale"),
        ("before = {mean = 9.5, sd = 4, n = 20}", Verdict.FLAG, "at most 2.24"),
        ("before = {mean = 1, sd = 1.5, n = 20}", Verdict.NOTE, "skewed"),
        ("before = {mean = 5, sd = 1, n = 20}\nafter = {mean = 4, sd = 1, n = 18}", Verdict.NOTE, "changes over time"),
    ],
)
def test_what_is_impossible_on_a_scale_is_told(point, verdict, words):
    (found,) = audit(read(COURSE + point))
    assert found.verdict is verdict
    assert words in found.found


def test_a_printed_sd_of_zero_leaves_the_claim_open():
    points = "a = {mean = 5, sd = 0}\nb = {mean = 4, sd = 0}\nc = {mean = 3, sd = 0}\n"
    claims = ("says = 'difference'\ntimes = ['a', 'b', 'c']", "says = 'p'\ntimes = ['a', 'b']\np = 0.01")
    for claim in claims:
        told = audit(read(COURSE + points + f"[[course.claims]]\nprinted = 'x'\n{claim}"))
        (found,) = (each for each in told if each.printed == "x")
        assert found.verdict is Verdict.OPEN
        assert "no answer" in found.found


def test_a_mean_between_the_steps_of_a_score_still_has_its_band():
    text = "a = {mean = 63.4, sd = 5}\n[[course.classes]]\ntime = 'a'\ninstrument = 'kps'\nscheme = 'karnofsky'\n"
    told = audit(read((COURSE + text).replace("high = 10", "high = 100") + "printed = 'unable to work'"))
    assert Verdict.REPRODUCES in {each.verdict for each in told if "class of the mean" in each.about}


def test_sites_fewer_than_leaking_vertebrae_and_counts_above_all_are_flagged():
    text = """title = 'x'
    [[leaks]]
    label = 'leaks'
    modality = 'ct'
    vertebrae = 10
    leaking = 5
    sites = {disc = 4}
    [[fraction]]
    label = 'more than all'
    numerator = 5
    denominator = 4
    unit = 'patient'
    """
    assert [each.verdict for each in audit(read(text)) if each.about in {"leaks", "more than all"}] == [
        Verdict.FLAG
    ] * 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = ", "not TOML"),
        ("title = 'x'\nunknown = 1", "unknown"),
        ("title = 'x'\n[[fraction]]\nlabel = 'a'\nnumerator = -1\ndenominator = 3\nunit = 'p'", "fraction.0.numerator"),
        ("title = 'x'\n[[stated]]\nlabel = 'a'\ndenominator = 9\nvalues = {text = 'two'}", "counts from 0 to"),
        ("title = 'x'\n[[stated]]\nlabel = 'a'\ndenominator = 9\nvalues = {text = '10'}", "counts from 0 to"),
        (
            COURSE
            + "a = {mean = 1, sd = 1}\n[[course.classes]]\ntime = 'a'\ninstrument = 'pain'\nscheme = 'x'\nprinted = 'mild'",
            "vas, odi",
        ),
        (
            COURSE
            + "a = {mean = 1, sd = 1}\n[[course.classes]]\ntime = 'a'\ninstrument = 'vas'\nscheme = 'x'\nprinted = 'mild'",
            "chow_2016",
        ),
        (COURSE + "a = {mean = 1, sd = 1}\n[[course.claims]]\nsays = 'p'\ntimes = ['a', 'b']\nprinted = 'x'", "not b"),
    ],
)
def test_a_file_that_is_no_summary_is_refused_with_the_place(text, told):
    with pytest.raises(Unreadable, match=told):
        read(text)


def test_the_command_prints_every_finding_with_the_safety_words(tmp_path):
    run = CliRunner().invoke(main, ["audit-table", str(SERIES / "zhengzhou.toml")])
    assert run.exit_code == 1, run.output
    assert "flag" in run.output
    assert "19 missing" in run.output
    assert "not a medical device" in run.output
    told = CliRunner().invoke(main, ["audit-table", "--json", str(SERIES / "zhengzhou.toml")])
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert {line["verdict"] for line in lines} == {"flag", "note", "reproduces"}
    sound = tmp_path / "sound.toml"
    sound.write_text("title = 'x'\n[[sum]]\nlabel = 'sex'\nwhole = 2\nunit = 'patient'\nparts = {m = '1', f = '1'}")
    assert CliRunner().invoke(main, ["audit-table", str(sound)]).exit_code == 0
    sound.write_text("title = ")
    assert "not TOML" in CliRunner().invoke(main, ["audit-table", str(sound)]).output
