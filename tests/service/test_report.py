"""The report that is read on paper: the same parts as a page and as PDF, with the record, and nothing of the study's key."""

from __future__ import annotations

import io
import re

import pytest
from pypdf import PdfReader

from detection.vocabulary import Side, Zone
from service.printout.parts import Mark, Picture, Pictures, Printout, Section, Span, Table, Timeline, Words
from service.printout.pdf import as_pdf
from service.safety import SAFETY_WORDS
from tests.service.conftest import spine
from tests.service.test_api_recorded import act, post

V1 = "/api/v1"


@pytest.fixture
def reported(room):
    """A watched operation at L2 and L3 with two alerts, its record, a CT finding and a follow-up."""
    room.open(levels=("L2", "L3"), patient={"name": "MEYER^ANNA", "id": "P1"})
    room.see()
    act(room, "injection_started", level="L2")
    act(room, "aliquot", level="L2", volume_ml=1.5)
    room.raise_alert("canal")
    room.see(picture=spine() // 2)
    room.raise_alert("disc", zone=Zone.DISC, side=Side.INFERIOR, level="L3", message="Cement in the disc below L3.")
    patient = post(room, "record/patients", 201, pseudonym="STUDY-KEY-7", birth_year=1950, primary_tumour="lung")
    told = post(room, f"procedures/{room.procedure}/record", 201, patient=patient["id"])
    second = told["level"][1]["id"]
    post(room, "record/leaks", 201, level=second, site="epidural_vein", modality="ct", consequence="none")
    post(room, "record/follow-ups", 201, operation=told["operation"]["id"], time_point="m3", vas=2.5, odi={"s1": 2})
    return room


def text_of(document: bytes) -> list[str]:
    """The words of each sheet, white space as one space."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(document)).pages]


def words_of_page(html: str) -> str:
    shown = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", html)
    return " ".join(re.sub(r"<[^>]+>", " ", shown).split())


def test_levels_that_only_the_log_names_are_levels_of_the_report(room):
    room.open(levels=())
    act(room, "injection_started", level="L4")
    act(room, "aliquot", level="T12", volume_ml=1.5)
    html = room.client.get(f"{V1}/procedures/{room.procedure}/report.html").text
    assert "Levels T12, L4 Opened" in words_of_page(html)


def test_page_and_pdf_tell_the_same_of_record_alerts_and_log(reported):
    path = f"{V1}/procedures/{reported.procedure}/report"
    html = reported.client.get(f"{path}.html")
    answer = reported.client.get(f"{path}.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert "MEYER" not in answer.headers["content-disposition"]
    sheets = text_of(answer.content)
    assert all(SAFETY_WORDS in sheet for sheet in sheets)
    told = " ".join(sheets)
    for words in (
        "MEYER^ANNA",
        "Not confirmed: nobody has read this record",
        "L3 confirmed epidural vein ct none",
        "L2 proposed spinal canal live",
        "m3 2.5 40",
        "proposed by an alert; a physician has not decided",
        "high Cement in the disc below L3.",
        "The last judged frame, lateral view",
        "injection started",
    ):
        assert words in told, words
        assert words in words_of_page(html.text), words
    assert "STUDY-KEY-7" not in told + html.text
    assert html.text.count("<img ") == 2
    assert len([image for page in PdfReader(io.BytesIO(answer.content)).pages for image in page.images]) == 2
    assert "img-src data:;" in html.headers["content-security-policy"]


def test_a_procedure_without_record_or_alert_says_so(room):
    room.open()
    told = " ".join(text_of(room.client.get(f"{V1}/procedures/{room.procedure}/report.pdf").content))
    for words in (
        "No record was made",
        "No frame was judged.",
        "No alert was raised. No alert does not mean no leakage.",
    ):
        assert words in told


def test_a_picture_that_is_no_longer_kept_has_its_words(reported):
    for path in reported.deps.settings.spool_dir.rglob("*"):
        if path.is_file():
            path.unlink()
    reported.app.state.shelf._kept.clear()
    told = " ".join(text_of(reported.client.get(f"{V1}/procedures/{reported.procedure}/report.pdf").content))
    assert "This picture is no longer kept." in told
    assert "The last judged frame" in told


PRINTOUT = Printout(
    title="Procedure report",
    safety=SAFETY_WORDS,
    sections=(
        Section(title="Words", parts=(Words(text="\N{CJK UNIFIED IDEOGRAPH-738B}^Müller <b> & \N{THAI CHARACTER KO KAI}"),)),
        Section(title="Table", parts=(Table(head=("a", "b"), rows=(("word " * 400, None), *((n, "x") for n in range(150)))),)),
        Section(title="Line", parts=(Timeline(begin="10:00", end="11:00", spans=(Span(start=0.1, end=1, priority="low", words="w"),), marks=(Mark(at=0, words="m"),)),)),
        Section(title="Gone", parts=(Pictures(frames=(Picture(jpeg=None, words="a frame"),)),)),
    ),
)  # fmt: skip


def test_the_same_report_is_the_same_bytes_whole_and_in_every_script():
    document = as_pdf(PRINTOUT)
    assert document == as_pdf(PRINTOUT)
    sheets = text_of(document)
    told = " ".join(sheets)
    assert "\N{CJK UNIFIED IDEOGRAPH-738B}^Müller <b> & [U+0E01]" in told
    assert told.count("word") == 400
    assert "149 x" in told
    assert sum("a b" in sheet for sheet in sheets) > 2, "the head stands on every sheet"


@pytest.mark.parametrize(
    ("letter", "told_as", "n"),
    [("\N{CJK UNIFIED IDEOGRAPH-738B}", None, 4000), ("\N{THAI CHARACTER KO KAI}", "]", 1000)],
)
@pytest.mark.parametrize("head", [(), ("a", "b", "c", "d", "e", "f", "g", "h")])
def test_a_remark_that_is_longer_than_a_sheet_goes_on_on_the_next_and_loses_nothing(letter, told_as, n, head):
    row = (*("x" for _ in head[2:]), "remark", letter * n)
    sections = (Section(title="Table", parts=(Table(head=head, rows=(row, (*row[:-1], "after it"))),)),)
    told = "".join(text_of(as_pdf(Printout(title="Report", safety=SAFETY_WORDS, sections=sections)))).replace(" ", "")
    assert told.count(told_as or letter) == n
    assert "afterit" in told


def test_two_hundred_alerts_have_their_line_of_time_on_one_sheet():
    spans = tuple(Span(start=n / 200, end=1, priority="low", words="w") for n in range(200))
    line = Timeline(begin="10:00", end="11:00", spans=spans, marks=())
    sections = (Section(title="Line", parts=(line,)),)
    assert "11:00" in " ".join(text_of(as_pdf(Printout(title="Report", safety=SAFETY_WORDS, sections=sections))))


def test_the_dictionary_says_how_each_field_is_asked_for(room):
    told = {(each["file"], each["column"]): each for each in room.api("record/dictionary")["items"]}
    odi = told["follow-ups.csv", "odi_s3"]
    assert (odi["field"], odi["item"], odi["form"], odi["values"]) == ("odi", "s3", "answer", [0, 1, 2, 3, 4, 5])
    loss = told["levels.csv", "height_loss_percent"]
    assert (loss["form"], loss["low"], loss["high"]) == ("number", 0, 100)
    assert told["levels.csv", "level"]["values"][:2] == ["C1", "C2"]
    assert told["operations.csv", "anaesthesia"]["form"] == "words"
    assert told["operations.csv", "tomita_total"]["form"] == "derived"


def test_patients_are_listed_last_changed_first_and_found_by_pseudonym(room):
    ids = [post(room, "record/patients", 201, pseudonym=name)["id"] for name in ("A", "B", "C")]
    room.client.patch(f"{V1}/record/patients/{ids[0]}", json={"version": 1, "changes": {"sex": "female"}})
    first = room.api("record/patients", newest=True, limit=2)
    assert [each["pseudonym"] for each in first["items"]] == ["A", "C"]
    rest = room.api("record/patients", newest=True, after=first["next_after"])
    assert [each["pseudonym"] for each in rest["items"]] == ["B"]
    assert [each["id"] for each in room.api("record/patients", pseudonym="C")["items"]] == [ids[2]]
    refused = room.error(room.client.get(f"{V1}/record/levels", params={"pseudonym": "C"}), 400)
    assert refused["details"]["field"] == "pseudonym"
