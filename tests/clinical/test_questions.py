"""The tables of a paper by one command, from a page of questions."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from service.__main__ import main
from service.clinical.printed import page_of
from service.clinical.questions import read_page
from tests.clinical.conftest import draft, put, zhengzhou

SERIES = Path(__file__).parent / "series"
SAFETY = "Assistive research software, not a medical device."


def printed(engine, name):
    page = read_page((SERIES / f"{name}-questions.toml").read_text(encoding="utf-8"))
    return list(page_of(engine, page, SAFETY))


def test_the_zhengzhou_series_is_printed_as_it_was_published(engine):
    put(engine, *zhengzhou())
    text = "\n".join(printed(engine, "zhengzhou"))
    for expected in (
        "| - liver | 16/34 (47.1 %;",
        "| - male | 23/34 (67.6 %;",
        "| level.volume_ml | 3.22 ± 0.84 (n 50);",
        "| before | 8.11 ± 0.37 (n 34);",
        "| m12 | 3.13 ± 0.66 (n 34);",
        "| vertebrae with a leak | 19/50 (38.0 %; 24.7-52.8) |",
        "| - paravertebral | 10/50",
        "* all: 20 sites on 19 leaking vertebrae",
        "repeated measures ANOVA (one factor within patients, complete cases, sphericity assumed): p",
    ):
        assert expected in text
    assert text.count(SAFETY) == 2


BARTHEL = {"feeding": 10, "bathing": 5, "grooming": 5, "dressing": 10, "bowels": 10, "bladder": 10, "toilet": 10}
BARTHEL |= {"transfer": 15, "mobility": 15, "stairs": 10}
TOMITA = {"primary": "rapid", "visceral": "none", "bone": "multiple"}
SINS = {"location": "junctional", "pain": "yes", "lesion": "lytic", "alignment": "normal", "collapse": "under_half"}
SINS |= {"posterolateral": "none"}


def patient(n, arm):
    """One patient with everything that the pages of the Shanghai and Hebei papers ask about."""
    seen = {"last_seen_on": "2026-09-01"} if n % 2 else {"died_on": "2026-05-01"}
    before = {"kind": "ppsf_pvp", "performed_on": "2026-01-01", "age_years": 50 + n, "tomita": TOMITA}
    yield draft("patient", f"p{n}", pseudonym=f"S{n}", arm=arm, sex="male", primary_tumour="lung", **seen)
    yield draft("operation", f"o{n}", patient=f"p{n}", blood_loss_ml=100 * n, **before)
    yield draft("level", f"v{n}", operation=f"o{n}", level="L1", volume_ml=3 + n, examined_with=["ct"], sins=SINS)
    yield draft("level", f"w{n}", operation=f"o{n}", level="T12", volume_ml=1, examined_with=["ct"])
    yield draft("complication", f"c{n}", operation=f"o{n}", kind="fever")
    last = {"asia": "E", "pain_class": "good" if n else "fair", "is_stable": True}
    for time, vas, more in (("before", 8, {}), ("d7", 4, {}), ("m3", 3, last)):
        told = {"time_point": time, "vas": vas - n / 4, "barthel": BARTHEL, **more}
        yield draft("follow_up", f"f{n}{time}", operation=f"o{n}", **told)


def test_the_pages_of_the_other_papers_are_answered(engine):
    put(engine, *(each for n, arm in enumerate(("itr", "itr", "pvp", "pvp")) for each in patient(n, arm)))
    shanghai, hebei = "\n".join(printed(engine, "shanghai")), "\n".join(printed(engine, "hebei"))
    assert "| operation.age_years | 50.50 ± 0.71 (n 2); 50.50 (50.25-50.75; 50.00-51.00) |" in shanghai
    assert "Mann-Whitney U test" in shanghai
    assert "| vertebrae with a leak | 0/4 (0.0 %; 0.0-60.2) | 0/4 (0.0 %; 0.0-60.2) |" in shanghai
    assert "| operation.n_levels | 2.00 ± 0.00 (n 2);" in shanghai
    assert "| operation.cement_ml | 4.50 ± 0.71 (n 2);" in shanghai
    assert "| - good | 1/2 (50.0 %; 1.3-98.7) | 2/2 (100.0 %; 15.8-100.0) |" in shanghai
    assert shanghai.count("| - E | 2/2 (100.0 %;") == 1, "nobody wrote a letter before the operation"
    assert "| before | 100.00 ± 0.00 (n 4);" in hebei
    assert "| operation.blood_loss_ml | 150.00 ± 129.10 (n 4); 150.00 (75.00-225.00; 0.00-300.00) |" in hebei
    assert "| operation.tomita_total | 6.00 ± 0.00 (n 4);" in hebei
    assert "| - rapid | 4/4 (100.0 %;" in hebei
    assert "| level.sins_total | 10.00 ± 0.00 (n 4);" in hebei
    assert "| - junctional | 4/4 (100.0 %;" in hebei
    assert "| all | 4 | 2 | 3.9 | 5.96 ± 2.33 (n 4);" in hebei
    assert "| 2 | S1 | male | 51 | lung | L1, T12 | 5 | 8.0 |  |" in hebei


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = ", "not TOML"),
        ("title = 'x'\n[[table]]\nunit = 'mouse'\nfields = []", "table.0.unit"),
        ("title = 'x'\n[[course]]\nfield = 'patient.sex'", "follow_up.field that holds a number"),
        ("title = 'x'\n[[survival]]\nwhere = [{field = 'patient.sex', low = 3}]", "where: expected texts"),
    ],
)
def test_a_page_without_sense_is_refused_by_name(tmp_path, monkeypatch, text, told):
    monkeypatch.setenv("CEMENTWATCH_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "page.toml").write_text(text, encoding="utf-8")
    run = CliRunner().invoke(main, ["cohort", str(tmp_path / "page.toml")])
    assert run.exit_code == 1
    assert told in run.output


def test_the_command_prints_markdown(tmp_path, monkeypatch):
    monkeypatch.setenv("CEMENTWATCH_DATA_DIR", str(tmp_path / "data"))
    run = CliRunner().invoke(main, ["cohort", str(SERIES / "zhengzhou-questions.toml")])
    assert run.exit_code == 0, run.output
    assert run.output.startswith("# Zhengzhou PVP series")
    assert "not a medical device" in run.output
