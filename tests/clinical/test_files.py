"""Files of records lose nothing that they do not name, whatever program wrote them."""

from __future__ import annotations

import pytest

from db.record import listing
from service.clinical.columns import cells_of, told_by
from service.clinical.csv_told import csv_lines
from service.clinical.exchange import NoTable, check, read_csv, read_rows
from service.clinical.files import take_files, write_rows
from service.clinical.record import fields_of, plain_of
from tests.clinical.conftest import draft, put

SAFETY = "Assistive research software, not a medical device."


@pytest.fixture
def visit(engine):
    """A visit with an answer, a number and a remark of two lines."""
    told = {"odi": {"s1": 2, "s3": 0}, "vas": 2.5, "remark": "walks\r\nwell"}
    put(
        engine,
        draft("patient", "p1", pseudonym="A1"),
        draft("operation", "o1", patient="p1", kind="pvp"),
        draft("follow_up", "f1", operation="o1", time_point="m3", **told),
    )
    return engine


def fields_after(intake):
    assert intake.bad == []
    (made,) = intake.drafts
    return made.fields


def test_a_column_that_a_file_lacks_leaves_what_is_there_and_an_empty_cell_empties_it(visit):
    fields = fields_after(check(visit, read_csv("follow_up", "id,version,vas,odi_s3\nf1,1,,5\n")))
    assert (fields["vas"], fields["remark"], fields["time_point"]) == (None, "walks\r\nwell", "m3")
    assert (fields["odi"], fields["odi_percent"]) == ({"s1": 2, "s3": 5}, 70.0)


def test_a_field_that_json_lacks_leaves_what_is_there_and_null_empties_it(visit):
    row = {"id": "f1", "version": 1, "vas": None, "odi": {"s1": 4}}
    fields = fields_after(check(visit, read_rows("follow_up", [row])))
    assert (fields["vas"], fields["remark"], fields["odi"]) == (None, "walks\r\nwell", {"s1": 4})


def test_an_exported_file_says_nothing_new(visit, tmp_path):
    file = tmp_path / "follow-ups.csv"
    file.write_bytes("".join(csv_lines(visit, "follow_up", SAFETY)).encode())
    intake = take_files(visit, [file], at=2000.0, dry_run=True)
    assert (intake.n_same, intake.drafts, intake.bad) == (1, [], [])


@pytest.mark.parametrize("text", ["=1+1", "'=1+1", "''-x", "'quoted'", "-"])
def test_a_text_is_no_formula_and_comes_back_as_it_was(text):
    fields = fields_of("patient", {"pseudonym": "A1", "remark": text})
    cells = cells_of("patient", {"id": "p1", "version": 1, **plain_of("patient", fields)})
    assert cells["remark"][0] == "'"
    assert told_by("patient", cells)["remark"] == text


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpseudonym,sex\r\nA1,male\r\n",
        "pseudonym,sex\rA1,male\r",
        f'"# {SAFETY}",\r\n"pseudonym","sex"\r\n"A1","male"\r\n',
        f"# {SAFETY},,,\n\npseudonym,sex\nA1,male",
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(text):
    (line,) = read_csv("patient", text)
    assert line.cells == {"pseudonym": "A1", "sex": "male"}


def test_semicolons_between_cells_are_named():
    with pytest.raises(NoTable, match="not by semicolons"):
        read_csv("patient", "pseudonym;sex\nA1;male\n")


def test_a_character_that_a_database_cannot_keep_is_a_bad_cell(engine):
    (bad,) = check(engine, read_csv("patient", "pseudonym,remark\nA1,x\0y\n")).bad
    assert (bad.column, bad.expected) == ("remark", "expected text without the character 0")


def test_made_patients_are_not_written_over_files_of_records(engine, tmp_path):
    (tmp_path / "leaks.csv").write_text("of real patients", encoding="utf-8")
    with pytest.raises(NoTable, match=r"there are leaks\.csv"):
        write_rows({"patient": [{"id": "p1", "pseudonym": "A1"}]}, tmp_path, SAFETY)
    assert [path.name for path in tmp_path.glob("*.csv")] == ["leaks.csv"]
    assert listing(engine, "patient") == []
