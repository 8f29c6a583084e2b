"""A receiver of HL7 version 2 hears of alerts in order and at least once, and reads what was meant, whatever the words are."""

from __future__ import annotations

import ssl
import subprocess
import time
from dataclasses import replace
from types import SimpleNamespace

import hl7
import pytest
from pydantic import ValidationError

from db.connect import connect
from db.journal import Journal
from db.mirrors import standings
from detection.vocabulary import Entry, EntryType, Kind, Mode, Priority, TechnicalCause
from dicom_gateway.report.nouns import Coded
from service.api.health import check_mirror
from service.archives import Hl7Listener
from service.mirror import Mirror
from service.oru import Scribe, escaped
from service.processes import roles_of
from service.roles import mirrors_of
from service.safety import SAFETY_WORDS
from service.settings import Settings
from tests.conftest import program
from tests.db.lines import ALERT
from tests.service.nurse import Nurse, number_of, serving

HOSTILE = "Cement | in ^the~ canal \\F\\ & \r\nMSH|^~\\&|EVIL\x0b\x1c\rOBX|99 é 山"
PATIENT_SEGMENTS = ("PID", "PV1", "NK1")


@pytest.fixture
def nurse():
    return Nurse()


@pytest.fixture
def port(nurse):
    with serving(nurse) as port:
        yield port


@pytest.fixture
def journal(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")
    yield Journal(engine)
    engine.dispose()


def mirror(journal: Journal, port: int, **told) -> Mirror:
    listener = Hl7Listener(host="127.0.0.1", port=port, application="NURSE", facility="WARD 3", **told)
    (made,) = mirrors_of(Settings(hl7_listener=listener), journal.engine, time.time)
    return made


def change(journal: Journal, type: EntryType, actor: str | None = None, **changes) -> int:
    alert = replace(ALERT, **changes)
    line = Entry(at=1e9, type=type, procedure="p1", source="CARM1", alert=alert.id, cause="2 of 3 frames", actor=actor)
    (written,) = journal.append([line], alerts=[alert])
    return written.number


def drain(mirrored: Mirror) -> list[float]:
    """The pauses that it asked for."""
    waits = []
    while (wait := mirrored.step()) is not None:
        waits.append(wait)
    return [wait for wait in waits if wait]


def observations_of(message: hl7.Message) -> dict[str, hl7.Segment]:
    """By the code of what each is of."""
    return {str(each[3][0][0]): each for each in message.segments("OBX")}


def words_of(message: hl7.Message, name: str) -> str:
    return message.unescape(str(observations_of(message)[name][5]))


def test_every_change_is_told_in_order_and_a_foreign_parser_reads_what_the_journal_says(journal, nurse, port):
    mirrored = mirror(journal, port)
    first = change(journal, EntryType.ALERT_RAISED)
    journal.append([Entry(at=1e9, type=EntryType.FRAME_SEEN, procedure="p1", source="CARM1")])
    second = change(journal, EntryType.ACKNOWLEDGED, actor="anna")
    assert drain(mirrored) == []
    assert (nurse.numbers, nurse.n_calls) == ([first, second], 1)
    message = nurse.taken[0]
    assert str(message.segment("MSH")[9]) == "ORU^R40^ORU_R40"
    assert [str(message[f"MSH.F{n}"]) for n in (3, 5, 6, 7, 11, 18)] == [
        "CEMENTWATCH",
        "NURSE",
        "WARD 3",
        "20010909014640.000+0000",
        "P",
        "UNICODE UTF-8",
    ]
    assert str(message["OBR.F3.R1.C1"]) == str(nurse.taken[1]["OBR.F3.R1.C1"]) == ALERT.id
    assert str(message.segment("OBR")[4]) == "CEMENT_LEAK^Cement outside the vertebral body^99CEMENT"
    told = observations_of(message)
    assert str(told["ZONE"][5]) == "ZONE_CANAL^Zone: canal^99CEMENT"
    assert [str(told["42798000"][n]) for n in (2, 3, 5, 6)] == ["NM", "42798000^Area^SCT", "12.5", "mm2^mm2^UCUM"]
    assert {str(each[11]) for each in message.segments("OBX")} == {"R"}, "nobody has verified it"
    assert (words_of(message, "MESSAGE"), words_of(message, "SAFETY")) == (ALERT.message, SAFETY_WORDS)
    assert (words_of(nurse.taken[1], "EVENT"), words_of(nurse.taken[1], "ACTOR")) == ("acknowledged", "anna")


def test_no_message_names_a_patient(journal, nurse, port):
    mirrored = mirror(journal, port)
    change(journal, EntryType.ALERT_RAISED)
    drain(mirrored)
    assert not [each for each in nurse.taken[0] if str(each[0]) in PATIENT_SEGMENTS]
    assert words_of(nurse.taken[0], "PROCEDURE") == "p1"


def test_words_of_others_begin_no_segment_no_field_and_no_message(journal, nurse, port):
    mirrored = mirror(journal, port)
    sent = change(journal, EntryType.ALERT_RAISED, actor=HOSTILE, message=HOSTILE, level=HOSTILE, source="A^B|C")
    assert drain(mirrored) == []
    assert nurse.numbers == [sent]
    message = nurse.taken[0]
    assert [str(each[0]) for each in message if str(each[0]) != "OBX"] == ["MSH", "OBR"]
    plain = "Cement | in ^the~ canal \\F\\ &  MSH|^~\\&|EVIL OBX|99 é 山"
    assert words_of(message, "MESSAGE") == words_of(message, "ACTOR") == plain
    assert words_of(message, "SOURCE") == "A^B|C"
    assert escaped("\x00\x1b\ud800") == ""


def test_a_receiver_that_does_not_take_it_now_hears_it_again_and_what_comes_after_waits(journal, nurse, port):
    mirrored = mirror(journal, port)
    sent = [change(journal, EntryType.ALERT_RAISED, id=f"a{n}") for n in range(3)]
    nurse.codes = ["AR", "hang up", "hang up", "noise", "CR", "AA"]
    assert drain(mirrored) == [1.0, 2.0, 5.0, 10.0]
    assert nurse.numbers == sent
    assert {number_of(each) for each in nurse.heard[:6]} == {sent[0]}, "a repetition has the same control id"
    (standing,) = standings(journal.engine)
    assert (standing.name, standing.number, standing.failing_since) == ("hl7", sent[-1], None)


def test_a_message_that_is_called_faulty_again_and_again_keeps_no_later_alert_back(journal, nurse, port):
    mirrored = mirror(journal, port)
    faulty = change(journal, EntryType.ALERT_RAISED, id="a1")
    later = change(journal, EntryType.ALERT_RAISED, id="a2")
    nurse.codes = ["AE"] * 5
    assert len(drain(mirrored)) == 4
    assert nurse.numbers == [later]
    assert [number_of(each) for each in nurse.heard] == [faulty] * 5 + [later]


def test_a_channel_that_calls_everything_faulty_fails_until_one_is_taken(journal, nurse, port):
    mirrored = mirror(journal, port)
    faulty = [change(journal, EntryType.ALERT_RAISED, id=f"a{n}") for n in range(2)]
    nurse.codes = ["AE"] * 10
    began = time.time()
    drain(mirrored)
    (standing,) = standings(journal.engine)
    assert (standing.number, standing.told_at) == (faulty[-1], None)
    assert standing.reason == f"passed over message {faulty[-1]}: answered AE"
    for later_s, is_ok in ((50.0, True), (70.0, False)):
        asked = SimpleNamespace(engine=journal.engine, now=lambda later_s=later_s: began + later_s)
        assert check_mirror(asked)[0] is is_ok
    change(journal, EntryType.ALERT_RAISED, id="a2")
    drain(mirrored)
    (standing,) = standings(journal.engine)
    assert (standing.failing_since, standing.reason) == (None, None)


def test_a_receiver_that_hung_up_while_all_was_quiet_hears_the_next_alert_at_once(journal, nurse, port):
    mirrored = mirror(journal, port)
    sent = []
    for code in ("last", "AA"):
        nurse.codes = [code]
        sent.append(change(journal, EntryType.ALERT_RAISED, id=code))
        assert drain(mirrored) == []
    assert (nurse.numbers, nurse.n_calls) == (sent, 2)


def test_a_receiver_that_answers_twice_confuses_nothing(journal, nurse, port):
    mirrored = mirror(journal, port)
    sent = [change(journal, EntryType.ALERT_RAISED, id=f"a{n}") for n in range(3)]
    nurse.codes = ["twice", "AR", "twice"]
    assert drain(mirrored) == [1.0], "the second answer to the first message says nothing of the second message"
    assert (nurse.numbers, nurse.n_calls) == (sent, 1)


def test_a_receiver_that_comes_back_is_told_what_it_missed(journal, nurse, free_port):
    far = mirror(journal, free_port)
    sent = change(journal, EntryType.ALERT_RAISED)
    assert far.step() == 1.0
    with serving(nurse) as port:
        drain(mirror(journal, port))
    assert nurse.numbers == [sent]


def test_escalations_only_and_no_replay(journal, nurse, port):
    mirrored = mirror(journal, port, sends="escalations")
    change(journal, EntryType.ALERT_RAISED)
    change(journal, EntryType.ALERT_ESCALATED, escalation=1, mode=Mode.REPLAY)
    told = change(journal, EntryType.ALERT_ESCALATED, escalation=1)
    drain(mirrored)
    assert nurse.numbers == [told]


def test_what_keeps_cementwatch_from_seeing_and_the_terms_of_the_site_are_told():
    listener = Hl7Listener(host="nurse.example", processing="T")
    scribe = Scribe(listener, "CEMENTWATCH", {"PRIORITY_LOW": Coded(value="3", scheme="99WARD", meaning="by & by")})
    blind = {"kind": Kind.TECHNICAL, "zone": None, "side": None, "technical_cause": TechnicalCause.NO_FRAMES}
    line = Entry(at=1e9, type=EntryType.ALERT_RAISED, procedure="p1", number=1)
    body = scribe.message(line, replace(ALERT, **blind, priority=Priority.LOW, area_mm2=None, volume_ml=None))
    message = hl7.parse(body.decode())
    told = observations_of(message)
    assert str(message["OBR.F4.R1.C1"]) == "TECHNICAL"
    assert str(told["PRIORITY"][5]) == "3^by \\T\\ by^99WARD"
    assert words_of(message, "TECHNICAL_CAUSE") == "no_frames"
    assert "ZONE" not in told
    assert str(message["MSH.F11"]) == "T"


def test_over_tls_only_a_receiver_with_a_certificate_that_is_vouched_for_is_told(journal, nurse, tmp_path):
    subject = ("-subj", "/CN=nurse", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes")
    words = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *subject)
    for name in ("nurse", "stranger"):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        command = [program("openssl", "openssl"), *words, *files]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "nurse.pem", tmp_path / "nurse.key")
    with serving(nurse, context) as port:
        wary = mirror(journal, port, tls=True, authorities=tmp_path / "stranger.pem")
        sent = change(journal, EntryType.ALERT_RAISED)
        assert wary.step() == 1.0
        assert standings(journal.engine)[0].reason == "SSLCertVerificationError"
        drain(mirror(journal, port, tls=True, authorities=tmp_path / "nurse.pem"))
    assert nurse.numbers == [sent]


def test_the_role_runs_where_a_receiver_is_set_and_one_half_set_is_refused(tmp_path):
    assert "mirror" in roles_of(Settings(hl7_listener=Hl7Listener(host="nurse.example")))
    with pytest.raises(ValidationError, match="authorities belong to tls"):
        Hl7Listener(host="nurse.example", authorities=tmp_path / "a.pem")
