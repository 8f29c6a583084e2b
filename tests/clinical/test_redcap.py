"""A REDCap project comes in by its mapping, all of it or nothing; the record goes out as a project and comes back."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import event

from db.connect import connect
from db.record import KINDS, Draft, listing, write
from service.__main__ import main
from service.clinical.exchange import NoTable
from service.clinical.redcap import read_export, take_export
from service.clinical.redcap_mapping import ProjectMap, choices_in, gaps_in, read_mapping
from service.clinical.redcap_project import project_dictionary, project_mapping, project_records
from tests.clinical.conftest import draft, put

PROJECT = Path(__file__).parent / "redcap"
MAPPING, DICTIONARY, EXPORT = (
    (PROJECT / name).read_text(encoding="utf-8") for name in ("mapping.toml", "dictionary.csv", "export.csv")
)


def taken(engine, text, mapping=None, *, may_update=False):
    intake = take_export(engine, read_export(text, mapping or read_mapping(MAPPING)), may_update=may_update)
    if not intake.bad:
        write(engine, intake.drafts, at=1000.0, actor="import")
    return intake


def told(engine, kind, id):
    (found,) = (each for each in listing(engine, kind) if each.id == id)
    return {name: value for name, value in found.fields.items() if value is not None}


@pytest.fixture
def department(engine):
    """With one operation of a patient there is no need to say which; so 101's visits are of its first."""
    assert taken(engine, EXPORT.replace("101,baseline_arm_1,,,north,1950,2,2,,,,,,,,,,,,,,,8,3,-99,2", "101,baseline_arm_1,,,north,1950,2,2,,,,,,,,,,,,,,,,,,2")).bad == []  # fmt: skip
    return engine


def test_rows_become_things_with_their_owners(department):
    assert told(department, "patient", "dep-101") == {
        "pseudonym": "101",
        "birth_year": 1950,
        "sex": "female",
        "site": "North",
    }
    first = told(department, "operation", "dep-101-operation-baseline_arm_1-1")
    assert first["prior_treatment"] == ["radiotherapy", "chemotherapy"]
    assert first["is_technical_success"] is True
    assert first["started_at"] == 1770082200.0, "half past nine, eight hours ahead of UTC"
    level = told(department, "level", "dep-101-level-baseline_arm_1-2")
    assert (level["level"], level["operation"]) == ("T12", "dep-101-operation-baseline_arm_1-2")
    assert (
        told(department, "level", "dep-102-level-baseline_arm_1-1")["operation"] == "dep-102-operation-baseline_arm_1-1"
    )


def test_no_box_is_not_known_and_the_box_for_none_is_an_empty_list(department):
    assert told(department, "operation", "dep-101-operation-baseline_arm_1-2")["prior_treatment"] == []
    assert "prior_treatment" not in told(department, "operation", "dep-102-operation-baseline_arm_1-1")
    assert "examined_with" not in told(department, "level", "dep-101-level-baseline_arm_1-2")
    assert told(department, "level", "dep-101-level-baseline_arm_1-1")["examined_with"] == ["live", "ct"]


def test_the_event_of_a_row_is_its_time_point_and_a_missing_code_is_not_known(department):
    before, after = (told(department, "follow_up", f"dep-102-follow_up-{e}_arm_1") for e in ("baseline", "month_3"))
    assert (before["time_point"], before["vas"], before["kps"]) == ("before", 6.5, 70)
    assert (after["time_point"], after["vas"]) == ("m3", 2.0)
    visits = [each.id for each in listing(department, "follow_up")]
    assert sorted(visits) == ["dep-102-follow_up-baseline_arm_1", "dep-102-follow_up-month_3_arm_1"]


def test_every_bad_cell_is_named_by_line_and_column_of_the_project_and_nothing_is_written(engine):
    bad = EXPORT.replace("102,baseline_arm_1,,,north,,1,0", "102,baseline_arm_1,,,north,CANARY,9,0")
    bad = bad.replace("2026-05-01,,0,", "CANARY,,0,").replace(",2,T12,", ",7,T99,")
    intake = taken(engine, bad)
    named = [(cell.line, cell.column) for cell in intake.bad]
    assert named == [(2, "study_id"), (4, "op_date"), (6, "vert_level"), (6, "vert_op"), (7, "sex"), (7, "yob")]
    assert "CANARY" not in str(intake.bad)
    assert all(listing(engine, kind) == [] for kind in KINDS)


def test_a_second_export_changes_only_what_it_tells_and_only_when_it_may(department):
    again = EXPORT.replace("8,3,-99", ",,")
    assert taken(department, again).n_same == 10
    (patient,) = (each for each in listing(department, "patient") if each.id == "dep-101")
    by_hand = Draft(kind="patient", id="dep-101", base=1, fields={**patient.fields, "arm": "a"})
    write(department, [by_hand], at=2000.0, actor="doctor")
    assert taken(department, again).n_same == 10, "the project says nothing of arms"
    later = again.replace("1950,2,2", "1951,2,2")
    assert {cell.column for cell in taken(department, later).bad} == {"version"}
    assert taken(department, later, may_update=True).n_changed == 1
    kept = told(department, "patient", "dep-101")
    assert (kept["birth_year"], kept["arm"]) == (1951, "a")


def test_a_project_of_many_patients_is_asked_for_in_parts(engine):
    """A database takes only so many values in one question."""
    asked: list[int] = []
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(len(told[3])))
    many = "".join(f"\n{n},baseline_arm_1,,,north,1950,2,2{',' * 18}" for n in range(700))
    intake = take_export(engine, read_export(EXPORT.splitlines()[0] + many, read_mapping(MAPPING)), may_update=False)
    assert (intake.n_new, intake.bad) == (700, [])
    assert max(asked) < 600


def test_a_text_whose_parts_change_places_is_another_text(engine):
    put(engine, draft("patient", "1", pseudonym="1", remark="pain;fever"))
    own = ProjectMap.model_validate(
        {"thing": [{"kind": "patient", "fields": {"pseudonym": "record_id", "remark": "note"}}]}
    )
    assert taken(engine, "record_id,note\n1,fever;pain\n", own, may_update=True).n_changed == 1


def test_a_mapping_is_held_against_the_dictionary_of_its_project():
    assert gaps_in(read_mapping(MAPPING), choices_in(DICTIONARY)) == []
    other = DICTIONARY.replace("1, Male | 2, Female", "1, Male | 2, Female | 3, Other").replace(
        "pain,visit", "nrs,visit"
    )
    assert gaps_in(read_mapping(MAPPING), choices_in(other)) == [
        "pain: the project has no such field",
        "sex: choice 3 has no code",
    ]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('kind = "level"', 'kind = "vertebra"', "thing.2: kind: expected one of patient"),
        ('volume_ml = "vert_ml"', 'sins_total = "vert_ml"', "thing.2: fields: expected columns of level"),
        ("points = { operation", "points = { patient", "thing.2: points: expected some of operation"),
        ("record = ", "record == ", "not TOML"),
    ],
)
def test_a_mapping_without_sense_is_refused_by_name(old, new, named):
    with pytest.raises(NoTable, match=named.replace(".", r"\.")):
        read_mapping(MAPPING.replace(old, new))


def test_an_export_without_a_mapped_column_is_no_export_of_this_project():
    with pytest.raises(NoTable, match="expected the column vert_ml"):
        read_export(EXPORT.replace("vert_ml", "cement"), read_mapping(MAPPING))


def whole(engine):
    """Every kind of thing, with lists, answers, flags, times, ids that two kinds share, and what looks like a formula."""
    put(
        engine,
        draft("patient", "p1", pseudonym="A1", sex="female", enrolled_on="2026-01-02", remark='=1+1; a, "b"\nc'),
        draft("patient", "p2", pseudonym="A2"),
        draft("operation", "o1", patient="p1", kind="pvp", prior_treatment=["surgery"], screw_levels=["L2", "T12"]),
        draft("operation", "o2", patient="p2", kind="pkp", contraindications=[], operators=["one", "two"], inr=1.5),
        draft("step", "p2", operation="o2", place=1, kind="marking", started_at="2026-01-03T10:00:00+01:00"),
        draft(
            "level", "o1", operation="o2", level="L1", sins={"pain": "yes"}, is_fractured=False, examined_with=["ct"]
        ),
        draft("level", "v2", operation="o1", level="L2", epidural_grade="1a", kyphosis_deg=-4),
        draft("needle", "n1", level="v2", side="left", gauge_g=11),
        draft("aliquot", "a1", level="v2", needle="n1", volume_ml=0.5, has_resistance=True),
        draft("aliquot", "a2", level="o1", volume_ml=1),
        draft("leak", "k1", level="o1", site="disc", modality="ct", finding="proposed"),
        draft("complication", "c1", operation="o1", kind="fever"),
        draft("follow_up", "f1", operation="o2", time_point="m3", odi={"s1": 2, "s3": 0}, kps=80, vas=2.5, asia="E"),
    )


def content(engine):
    """What the record holds without ids: of each thing its fields, owners told by what they are."""
    known, things = {}, []
    for kind in KINDS:
        for each in listing(engine, kind):
            points = KINDS[kind].points_to
            fields = {name: known.get((points[name], v)) if name in points else v for name, v in each.fields.items()}
            # boxes have the order of the form
            fields = {name: sorted(v) if isinstance(v, list) else v for name, v in fields.items()}
            known[kind, each.id] = str(sorted((name, str(v)) for name, v in fields.items()))
            things.append((kind, known[kind, each.id]))
    return sorted(things)


def test_the_record_as_a_project_comes_back_as_it_was(engine, tmp_path):
    whole(engine)
    text = "".join(project_records(engine))
    other = connect(f"sqlite:///{tmp_path}/other.sqlite")
    intake = taken(other, text, project_mapping())
    assert (intake.bad, intake.n_new) == ([], 13)
    assert content(other) == content(engine)
    other.dispose()


def test_the_dictionary_has_every_column_that_the_records_have_and_fits_the_mapping(engine):
    whole(engine)
    rows = list(csv.DictReader(project_dictionary()))
    names = [row["Variable / Field Name"] for row in rows]
    assert len(set(names)) == len(names)
    assert all(name.islower() and len(name) <= 100 and name.replace("_", "").isalnum() for name in names)
    forms = [row["Form Name"] for row in rows]
    assert list(dict.fromkeys(forms)) == list(KINDS), "a form stands together, or REDCap refuses the file"
    assert forms == sorted(forms, key=list(KINDS).index)
    header = next(project_records(engine)).strip().split(",")[3:]
    assert {name.partition("___")[0] for name in header} | {"record_id"} == set(names)
    assert gaps_in(project_mapping(), choices_in("".join(project_dictionary()))) == []
    by_name = {row["Variable / Field Name"]: row for row in rows}
    vas = by_name["follow_up_vas"]
    limits = [vas[f"Text Validation {end}"] for end in ("Type OR Show Slider Number", "Min", "Max")]
    assert limits == ["number", "0", "10"]
    assert by_name["operation_screw_levels"]["Field Type"] == "checkbox"
    assert by_name["patient_sex"]["Choices, Calculations, OR Slider Labels"].startswith("male, male | female")
    assert by_name["level_level"]["Required Field?"] == "y"


def test_the_commands_take_a_project_and_give_one(tmp_path, monkeypatch):
    monkeypatch.setenv("CEMENTWATCH_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "export.csv").write_text(EXPORT.replace("8,3,-99", ",,"), encoding="utf-8-sig")
    asked = ["import-redcap", str(tmp_path / "export.csv"), "--mapping", str(PROJECT / "mapping.toml")]
    asked += ["--dictionary", str(PROJECT / "dictionary.csv")]
    assert "10 would be added" in CliRunner().invoke(main, [*asked, "--dry-run"]).output
    run = CliRunner().invoke(main, asked)
    assert (run.exit_code, "10 were added" in run.output) == (0, True), run.output
    run = CliRunner().invoke(main, ["export-redcap", "--out", str(tmp_path / "project")])
    assert run.exit_code == 0, run.output
    assert "not a medical device" in (tmp_path / "project" / "README.txt").read_text(encoding="utf-8")
    monkeypatch.setenv("CEMENTWATCH_DATA_DIR", str(tmp_path / "other"))
    run = CliRunner().invoke(main, ["import-redcap", str(tmp_path / "project" / "records.csv")])
    assert "10 were added" in run.output
