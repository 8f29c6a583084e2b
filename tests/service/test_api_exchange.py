"""Records in and out as tables: every bad cell is named, and an import is all or nothing."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

from db.connect import connect
from db.record import listing
from service.__main__ import main
from service.clinical.columns import cells_of, columns_of, dictionary, told_by
from service.clinical.files import take_files
from service.clinical.record import ADDRESSES, SHAPES, fields_of, plain_of

V1 = "/api/v1"
HEADER = "id,pseudonym,birth_year,sex,primary_tumour,died_on,last_seen_on"
BAD = {
    11: ("CANARY WITH SPACES", "pseudonym"),
    23: ("1066", "birth_year"),
    47: ("CANARY", "sex"),
    80: ("CANARY", "primary_tumour"),
    120: ("31.12.2026", "died_on"),
    150: ("P149", "pseudonym"),
    199: ("CANARY", "birth_year"),
}


def patients(bad=()):
    """A table of 200 patients as text; ``bad`` lines have one bad cell each. Line 1 is the header."""
    rows = [HEADER]
    for n in range(2, 202):
        cells = {"id": f"p{n}", "pseudonym": f"P{n}", "birth_year": "1950", "sex": "female", "primary_tumour": "lung"}
        cells |= {"died_on": "", "last_seen_on": "2026-05-01"}
        if n in bad:
            text, column = BAD[n]
            cells[column] = text
        rows.append(",".join(cells[name] for name in HEADER.split(",")))
    return "\n".join(rows)


def send(room, address, text, **params):
    headers = {"Content-Type": "text/csv"}
    return room.client.post(f"{V1}/record/{address}/import", content=text.encode(), headers=headers, params=params)


def test_a_dry_run_names_all_seven_bad_cells_of_200_patients(room):
    answer = send(room, "patients", patients(BAD), dry_run=True)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    named = {(cell["line"], cell["column"]) for cell in told["bad"]}
    assert named == {(line, column) for line, (_, column) in BAD.items()} | {(149, "pseudonym")}
    assert told["n_rows"] == 200
    assert "CANARY" not in answer.text
    assert room.api("record/patients")["items"] == []


def test_an_import_with_a_bad_cell_writes_nothing(room):
    error = room.error(send(room, "patients", patients({47})), 400)
    assert error["code"] == "bad_cells"
    assert [(cell["line"], cell["column"]) for cell in error["details"]["cells"]] == [(47, "sex")]
    assert room.api("record/patients")["items"] == []


def test_a_good_import_is_written_once(room):
    first = send(room, "patients", patients()).json()
    assert (first["n_new"], first["n_changed"], first["n_same"], first["bad"]) == (200, 0, 0, [])
    assert len(room.api("record/patients", limit=1000)["items"]) == 200
    bare = room.error(send(room, "patients", patients()), 400)["details"]["cells"]
    assert {cell["column"] for cell in bare} == {"version"}


def test_an_export_comes_back_as_it_is_and_a_changed_row_is_a_new_version(room):
    send(room, "patients", patients())
    table = room.client.get(f"{V1}/record/patients.csv").text
    assert table.startswith("# Assistive research software, not a medical device.")
    again = send(room, "patients", table).json()
    assert (again["n_new"], again["n_changed"], again["n_same"]) == (0, 0, 200)
    changed = send(room, "patients", table.replace("P7,1950", "P7,1951")).json()
    assert (changed["n_changed"], changed["n_same"]) == (1, 199)
    past = room.api("record/patients/p7/history")["items"]
    assert (past[1]["version"], past[1]["reason"]) == (2, "import")
    stale = room.error(send(room, "patients", table.replace("P7,1950", "P7,1952")), 400)
    assert [(cell["column"], cell["expected"]) for cell in stale["details"]["cells"]] == [
        ("version", "expected 2, the version that is there, to change this thing")
    ]


ALL = {
    "patients": [{"id": "p1", "pseudonym": "A1", "remark": '=1+1; a, "b"\nc'}],
    "operations": [
        {
            "id": "o1",
            "patient": "p1",
            "kind": "ppsf_pvp",
            "contraindications": [],
            "prior_treatment": ["surgery", "radiotherapy"],
            "started_at": "2026-01-01T10:00:00+01:00",
            "is_technical_success": True,
            "tokuhashi": {"kps": 60, "primary": "kidney"},
        }
    ],
    "levels": [{"id": "v1", "operation": "o1", "level": "L2", "volume_ml": 3.1, "kyphosis_deg": -4}],
    "follow_ups": [{"id": "f1", "operation": "o1", "time_point": "m3", "odi": {"s1": 2, "s3": 0}, "kps": 80}],
}  # fmt: skip


def test_json_takes_owners_and_things_together_and_gives_them_back(room):
    told = room.client.post(f"{V1}/record/import", json=ALL)
    assert told.status_code == 200, told.text
    assert told.json()["n_new"] == 4
    given = room.api("record/export.json")
    assert "not a medical device" in given["safety"]
    assert given["follow_ups"][0]["odi_percent"] == 20.0
    assert given["patients"][0]["remark"] == ALL["patients"][0]["remark"]
    for address in ADDRESSES.values():
        again = send(room, address, room.client.get(f"{V1}/record/{address}.csv").text)
        assert again.status_code == 200, again.text
        assert (again.json()["n_new"], again.json()["n_changed"], again.json()["bad"]) == (0, 0, [])


def test_what_was_exported_as_json_can_be_imported_again(room):
    room.client.post(f"{V1}/record/import", json=ALL)
    given = room.api("record/export.json")
    again = room.client.post(f"{V1}/record/import", json=given)
    assert again.status_code == 200, again.text
    assert (again.json()["n_new"], again.json()["n_changed"], again.json()["n_same"]) == (0, 0, 4)


@pytest.mark.parametrize("operators", [["=1+1", "B"], ["-"], ["@a"], []])
def test_a_list_is_no_formula_either_and_comes_back_as_it_was(operators):
    fields = fields_of("operation", {"patient": "p1", "kind": "pvp", "operators": operators})
    cells = cells_of("operation", {"id": "o1", "version": 1, **plain_of("operation", fields)})
    assert cells["operators"][0] in "'-"
    assert (cells["operators"] == "-") == (operators == [])
    assert told_by("operation", cells)["operators"] == operators


def test_a_word_of_a_list_holds_no_semicolon_which_would_make_two_of_it(room):
    patient = room.client.post(f"{V1}/record/patients", json={"pseudonym": "A1"}).json()["id"]
    bad = room.client.post(f"{V1}/record/operations", json={"patient": patient, "kind": "pvp", "operators": ["a; b"]})
    assert room.error(bad, 400)["details"]["field"] == "operators.0"


def test_files_of_another_system_bring_their_confirmations_with_them(engine_of_files):
    take, engine = engine_of_files
    rows = "id,patient,kind,confirmed_at,confirmed_by\no1,p1,pvp,2026-01-01T00:00:00+00:00,anna\n"
    assert take({"patients.csv": "id,pseudonym\np1,A1\n", "operations.csv": rows}).bad == []
    (there,) = listing(engine, "operation")
    assert there.fields["confirmed_by"] == "anna"


@pytest.fixture
def engine_of_files(tmp_path):
    """Takes files by name into a new record."""
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")

    def take(texts):
        paths = [tmp_path / name for name in texts]
        for path in paths:
            path.write_text(texts[path.name], encoding="utf-8")
        return take_files(engine, paths, at=1.0, dry_run=False)

    yield take, engine
    engine.dispose()


def test_json_with_one_bad_field_writes_nothing(room):
    content = json.loads(json.dumps(ALL))
    content["levels"][0]["operation"] = "elsewhere"
    content["follow_ups"][0]["odi"] = {"s1": 9}
    error = room.error(room.client.post(f"{V1}/record/import", json=content), 400)
    assert {(cell["kind"], cell["column"]) for cell in error["details"]["cells"]} == {
        ("level", "operation"),
        ("follow_up", "odi_s1"),
    }
    assert room.api("record/patients")["items"] == []


@pytest.mark.parametrize(
    ("address", "text", "status"),
    [
        ("patients", "", 400),
        ("patients", "pseudonym,CANARY\nA,1", 400),
        ("patients", "pseudonym,pseudonym\nA,1", 400),
        ("patients", "pseudonym,sex\nA", 400),
        ("patients", 'pseudonym\n"CANARY', 400),
        ("mice", "pseudonym\nA", 404),
    ],
)
def test_what_is_no_such_table_is_refused(room, address, text, status):
    answer = send(room, address, text)
    room.error(answer, status)
    assert "CANARY" not in answer.text


def test_a_derived_value_must_follow_from_the_answers_in_its_row(room):
    room.client.post(f"{V1}/record/import", json=ALL)
    text = "operation,time_point,odi_s1,odi_percent\no1,m6,2,40\no1,m12,2,50\no1,m1,,50"
    told = send(room, "follow-ups", text, dry_run=True).json()
    assert [(cell["line"], cell["column"]) for cell in told["bad"]] == [(3, "odi_percent"), (4, "odi_percent")]


def test_the_dictionary_explains_every_column(room):
    items = room.api("record/dictionary")["items"]
    assert {item["file"] for item in items} == {f"{address}.csv" for address in ADDRESSES.values()}
    assert all(item["meaning"] and item["allowed"] for item in items)
    (sex,) = [item for item in items if item["column"] == "sex"]
    assert sex["allowed"] == "male, female, other"
    (loss,) = [item for item in items if item["column"] == "height_loss_percent"]
    assert loss["allowed"] == "number, 0 to 100"
    assert len(dictionary()) == sum(len(columns_of(kind)) for kind in SHAPES)


def test_cells_and_things_are_two_sides_of_one_row():
    row = ALL["operations"][0]
    fields = fields_of("operation", {name: value for name, value in row.items() if name != "id"})
    cells = cells_of("operation", {"id": "o1", "version": 1, **plain_of("operation", fields)})
    assert (cells["contraindications"], cells["prior_treatment"], cells["comorbidities"]) == (
        "-",
        "surgery;radiotherapy",
        "",
    )
    assert fields_of("operation", told_by("operation", cells)) == fields


def test_files_are_taken_and_given_by_command(tmp_path, monkeypatch):
    monkeypatch.setenv("CEMENTWATCH_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "patients.csv").write_text("id,pseudonym\np1,A1\n", encoding="utf-8")
    (tmp_path / "operations.csv").write_text("id,patient,kind\no1,p1,pvp\no2,p1,CANARY\n", encoding="utf-8")
    files = [str(tmp_path / name) for name in ("operations.csv", "patients.csv")]
    run = CliRunner().invoke(main, ["import-records", *files])
    assert run.exit_code == 1
    assert "operation, line 3, kind: " in run.output
    assert "0 were added" in run.output
    assert "CANARY" not in run.output
    (tmp_path / "operations.csv").write_text("id,patient,kind\no1,p1,pvp\n", encoding="utf-8")
    assert "2 would be added" in CliRunner().invoke(main, ["import-records", "--dry-run", *files]).output
    run = CliRunner().invoke(main, ["import-records", *files])
    assert run.exit_code == 0, run.output
    out = tmp_path / "out"
    assert CliRunner().invoke(main, ["export-records", "--out", str(out)]).exit_code == 0
    names = {path.name for path in out.iterdir()}
    assert names == {f"{address}.csv" for address in ADDRESSES.values()} | {"dictionary.csv"}
    remark, *table = (out / "operations.csv").read_text(encoding="utf-8").splitlines()
    assert "not a medical device" in remark
    (row,) = csv.DictReader(io.StringIO("\n".join(table)))
    assert (row["id"], row["patient"], row["version"]) == ("o1", "p1", "1")
    engine = connect(f"sqlite:///{tmp_path}/data/journal.sqlite")
    assert [each.recorded_by for each in listing(engine, "operation")] == ["import"]
    engine.dispose()
