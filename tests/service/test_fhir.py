"""A procedure leaves as FHIR R4: valid for a foreign library, equal to the journal, and once however often it is sent."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import pytest
from click.testing import CliRunner
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from db import mirrors, procedures, queries
from db.commitments import meet_reader
from db.connect import connect
from db.convert import alert_from
from db.journal import Journal
from db.procedures import Opening, open_procedure
from detection.vocabulary import Entry, EntryType, Kind, Mode, Priority, TechnicalCause
from dicom_gateway.spool import Spool
from service.__main__ import main
from service.archives import Archive, FhirServer
from service.fhir.bundle import as_json, bundle_of
from service.fhir.dossier import TOLD, dossier_of
from service.fhir.post import READER, Postman
from service.outside import Outside
from service.processes import environment_of
from service.reporter import Reporter, ended
from service.safety import SAFETY_WORDS
from service.settings import Settings
from tests.service.conftest import until
from tests.service.fhir_server import Store, serving
from tests.service.played import CLOSED, Played, copy_of, played

SYSTEM = "urn:oid:1.2.3.4"
STATEMENTS = ("Observation", "DetectedIssue", "Communication")
SNOMED = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Played:
    made = played(tmp_path_factory.mktemp("played") / "data")
    yield made
    made.engine.dispose()


@pytest.fixture
def own(house, tmp_path):
    made = copy_of(house, tmp_path / "data")
    yield made
    made.engine.dispose()


def told_of(house: Played, **changes) -> dict:
    """The bundle, as whoever parses it sees it; the library must hold it for valid."""
    settings = house.settings.model_copy(update={"fhir_patient_system": SYSTEM})
    dossier = dossier_of(settings, house.engine, house.id, at=CLOSED)
    body = as_json(bundle_of(replace(dossier, **changes)))
    Bundle.model_validate_json(body)
    return json.loads(body)


def of(bundle: dict, kind: str) -> list[dict]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def code_of(concept: dict) -> str:
    return concept["coding"][0]["code"]


def parts_of(observation: dict) -> dict[str, dict]:
    """Components that are no range, by the code of ours or the words."""
    shown = [each for each in observation["component"] if "valueRange" not in each]
    return {each["code"].get("text") or code_of(each["code"]): each for each in shown}


def test_every_kind_of_resource_is_there_and_every_reference_is_answered(house):
    bundle = told_of(house)
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert kinds == {"Device", "Patient", "Procedure", "ImagingStudy", *STATEMENTS}
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    assert set(re.findall(r'"reference": "([^"]+)"', json.dumps(bundle))) <= set(urls)
    versions = {each["type"]["text"]: each["value"] for each in of(bundle, "Device")[0]["version"]}
    opened = house.lines(EntryType.PROCEDURE_OPENED)[0].data
    assert (versions["algorithm"], versions["rules"]) == (opened["algorithm"], opened["rules"])


def test_the_foreign_library_would_refuse_what_is_no_r4(house):
    bundle = told_of(house)
    del of(bundle, "DetectedIssue")[0]["status"]
    with pytest.raises(ValidationError):
        Bundle.model_validate_json(json.dumps(bundle))


def test_safety_words_stand_in_whatever_says_something_of_the_patient(house):
    bundle = told_of(house)
    for kind in (*STATEMENTS, "Device", "Procedure", "ImagingStudy"):
        for each in of(bundle, kind):
            assert SAFETY_WORDS in json.dumps(each), kind
    assert {each["status"] for kind in STATEMENTS[:2] for each in of(bundle, kind)} == {"preliminary"}


SEVERITY = {Priority.HIGH: "high", Priority.MEDIUM: "moderate", Priority.LOW: "low"}


def test_findings_have_level_zone_and_the_numbers_of_the_journal(house):
    bundle = told_of(house)
    observations = {each["id"]: each for each in of(bundle, "Observation")}
    issues = {each["identifier"][0]["value"]: each for each in of(bundle, "DetectedIssue")}
    leaks = [line for line in house.lines(EntryType.ALERT_RAISED) if line.data["alert"]["kind"] == Kind.LEAK]
    assert leaks
    for line in leaks:
        alert = alert_from(line.data["alert"])
        issue = issues[alert.id]
        assert (issue["severity"], code_of(issue["code"])) == (SEVERITY[alert.priority], "CEMENT_LEAK")
        seen = observations[issue["evidence"][0]["detail"][0]["reference"].removeprefix("urn:uuid:")]
        parts = parts_of(seen)
        area = parts["42798000"]["valueQuantity"]
        assert area == {
            "value": pytest.approx(alert.area_mm2, abs=1e-3),
            "unit": "mm2",
            "system": "http://unitsofmeasure.org",
            "code": "mm2",
        }
        assert code_of(parts["ZONE"]["valueCodeableConcept"]) == f"ZONE_{alert.zone.name}"
        assert parts["Frame"]["valueString"] == f"instances/{line.frame.sop_instance_uid}/frames/{line.frame.index + 1}"
        site = seen["bodySite"]["coding"][0]
        assert (site["system"], site["display"]) == (SNOMED, "L2 vertebra")
        spread = [each["valueRange"] for each in seen["component"] if "valueRange" in each]
        assert any(each["high"]["value"] == pytest.approx(1.21 * alert.area_mm2, abs=2e-3) for each in spread)
    whole = next(each for each in observations.values() if "Zone" not in json.dumps(each["component"]))
    (volume,) = [each["valueRange"] for each in whole["component"] if each["code"].get("text", "").startswith("Volume")]
    assert volume["low"]["value"] < volume["high"]["value"]


def test_the_study_is_told_with_every_object_received_and_made(house):
    (study,) = of(told_of(house), "ImagingStudy")
    assert study["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{house.source.StudyInstanceUID}"}
    told = {(series["uid"], each["uid"]) for series in study["series"] for each in series["instance"]}
    made = {(each.series_instance_uid, each.sop_instance_uid) for each in house.made}
    assert told == made | {(str(house.source.SeriesInstanceUID), str(house.source.SOPInstanceUID))}
    assert study["numberOfInstances"] == len(told)


def test_what_has_left_the_spool_is_said_of_its_own_study(own):
    for arrival in Spool(own.settings.spool_dir).after(0):
        arrival.path.unlink()
    two = procedure(own, study_instance_uids=(str(own.source.StudyInstanceUID), "1.2.3"))
    notes = [json.dumps(each["note"]) for each in of(told_of(own, procedure=two), "ImagingStudy")]
    assert ["1 objects are left out" in each for each in notes] == [True, False]


def test_who_was_told_what_and_who_acknowledged_it(own):
    raised = own.lines(EntryType.ALERT_RAISED)[0]
    alert = alert_from(raised.data["alert"])
    about = {"procedure": own.id, "source": alert.source, "alert": alert.id}
    asked = Entry(at=CLOSED, type=EntryType.ACKNOWLEDGE, actor="anna", data={"note": "stop\x00ped \ud800"}, **about)
    granted = Entry(at=CLOSED + 0.1, type=EntryType.ACKNOWLEDGED, actor="anna", **about)
    Journal(own.engine).append([asked, granted], alerts=[replace(alert, acknowledged_by="anna")])
    told = {each["id"]: each for each in of(told_of(own), "Communication")}
    (answer,) = [each for each in told.values() if "inResponseTo" in each]
    assert answer["sender"] == {"display": "anna"}
    assert [each["contentString"] for each in answer["payload"]] == ["The alert was acknowledged.", "stopped"]
    first = told[answer["inResponseTo"][0]["reference"].removeprefix("urn:uuid:")]
    last = [line for line in own.lines(*TOLD) if line.alert == alert.id][-1]
    assert first["payload"][0]["contentString"] == last.data["alert"]["message"]
    assert first["about"] == answer["about"]


def test_the_patient_is_named_as_the_images_do_and_numbers_of_two_hospitals_are_never_one(house):
    (patient,) = of(told_of(house), "Patient")
    assert patient["name"][0] == {"text": "Jörg Müller", "family": "Müller", "given": ["Jörg"]}
    assert patient["identifier"][0]["value"] == "PHANTOM"
    assert patient["gender"] == "other"
    request = told_of(house)["entry"][1]["request"]
    assert request == {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn%3Aoid%3A1.2.3.4%7CPHANTOM"}
    here, there = (told_of(house, patient_system=None, procedure=procedure(house, id=id)) for id in ("one", "other"))
    assert here["entry"][1]["request"]["url"] != there["entry"][1]["request"]["url"]
    assert here["entry"][1]["request"]["method"] == "PUT"


@pytest.mark.parametrize("number", ["7,PHANTOM", r"7\,PHANTOM", "7|PHANTOM"])
def test_no_number_is_taken_for_that_of_somebody_else(house, number):
    store = Store()
    for each in ("PHANTOM", number, number):
        store.take(told_of(house, procedure=procedure(house, patient={"id": each}))["entry"])
    assert [each["identifier"][0]["value"] for each in store.of("Patient")] == ["PHANTOM", number]


def procedure(house: Played, **changes):
    return replace(procedures.procedure(house.engine, house.id), **changes)


@pytest.mark.parametrize(
    ("patient", "name", "born"),
    [
        ({"name": "^^", "birth_date": "19500230"}, None, None),
        ({"name": "Yamada^Tarou=山田^太郎", "birth_date": "19500228", "sex": "m"}, "Tarou Yamada", "1950-02-28"),
        ({"name": "=山田^太郎", "birth_date": "1950-02-28"}, "太郎 山田", "1950-02-28"),
        ({"name": "A\x00B\ud800", "id": " \x07 ", "birth_date": "sometime"}, "AB", None),
        ({}, None, None),
    ],
)
def test_whatever_a_device_tells_of_a_patient_stays_valid(house, patient, name, born):
    (told,) = of(told_of(house, procedure=procedure(house, patient=patient)), "Patient")
    assert (told.get("name", [{}])[0].get("text"), told.get("birthDate")) == (name, born)
    assert "identifier" not in told


def test_a_replay_is_marked_and_what_was_never_seen_is_not_said_to_be_done(house):
    bundle = told_of(house, procedure=procedure(house, replay="r1"), found=())
    marks = {json.dumps(entry["resource"].get("meta")) for entry in bundle["entry"]}
    assert len(marks) == 1
    assert "HTEST" in marks.pop()
    assert of(bundle, "Procedure")[0]["status"] == "unknown"
    assert of(told_of(house), "Procedure")[0]["status"] == "completed"


def test_the_system_that_could_not_see_is_told_of_too(own):
    alert = alert_from(own.lines(EntryType.ALERT_RAISED)[0].data["alert"])
    blind = replace(
        alert, id="blind", kind=Kind.TECHNICAL, zone=None, technical_cause=TechnicalCause.NO_FRAMES, mode=Mode.LIVE
    )
    line = Entry(at=CLOSED, type=EntryType.ALERT_RAISED, procedure=own.id, source="ARM1", alert="blind")
    Journal(own.engine).append([line], alerts=[blind])
    (issue,) = [each for each in of(told_of(own), "DetectedIssue") if each["identifier"][0]["value"] == "blind"]
    assert issue["code"] == {"text": "Technical: no frames"}


def test_a_download_is_written_down_and_the_next_one_tells_of_it(room):
    id = room.open()
    room.see(cement_outlines=())
    room.raise_alert()
    path = f"/api/v1/procedures/{id}/report.fhir.json"
    answer = room.client.get(path)
    assert answer.headers["content-type"] == "application/fhir+json"
    Bundle.model_validate_json(answer.content)
    assert of(answer.json(), "AuditEvent") == []
    room.error(room.client.get("/api/v1/procedures/nothing/report.fhir.json"), 404)
    said = Entry(
        at=time.time(), type=EntryType.EXPORTED, procedure="", actor="anna", data={"procedure": id, "address": path}
    )
    other = replace(said, data={"procedure": "another", "address": path})
    room.deps.journal.append([said, other])
    (event,) = of(room.client.get(path).json(), "AuditEvent")
    assert (event["agent"][0]["who"], event["type"]["code"]) == ({"display": "anna"}, "110106")


def test_the_command_writes_a_new_file_and_who_took_it(own, tmp_path, monkeypatch):
    for name, value in environment_of(own.settings).items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "bundle.json"
    done = CliRunner().invoke(main, ["fhir", own.id, "--out", str(out)])
    assert done.exit_code == 0, done.output
    Bundle.model_validate_json(out.read_bytes())
    assert out.stat().st_mode & 0o777 == 0o640
    (taken,) = queries.audit_about(own.engine, own.id)
    assert taken.actor.startswith("os:")
    for words in ([own.id, "--out", str(out)], ["nobody", "--out", str(tmp_path / "b")], [own.id], [own.id, "--send"]):
        refused = CliRunner().invoke(main, ["fhir", *words])
        assert refused.exit_code != 0
        assert "Traceback" not in refused.output


# on its way to a server


@contextmanager
def a_server(own: Played):
    """A server, and the settings that name it."""
    store = Store()
    with serving(store) as url:
        token = own.folder / "token"
        token.write_text("Bearer secret\n")
        server = FhirServer(url=url, authorization_file=token)
        yield store, own.settings.model_copy(update={"fhir_server": server, "fhir_patient_system": SYSTEM})


def postman(own: Played, settings: Settings, now: float = CLOSED - 5.0) -> Postman:
    return Postman(settings, own.engine, settings.fhir_server, now=now)


def test_a_procedure_that_has_ended_is_sent_once_and_sent_again_it_doubles_nothing(own):
    with a_server(own) as (store, settings):
        post = postman(own, settings)
        post.turn(CLOSED + 59.0)
        assert store.asked == []
        post.turn(CLOSED + 61.0)
        post.turn(CLOSED + 62.0)
        assert [each["authorization"] for each in store.asked] == ["Bearer secret"]
        before = {(kind, id) for kind, held in store.resources.items() for id in held}
        (patient,) = store.of("Patient")
        assert {each["subject"]["reference"] for each in store.of("Observation")} == {f"Patient/{patient['id']}"}
        reopen_and_close(own)
        postman(own, settings).turn(CLOSED + 400.0)
        assert len(store.asked) == 2
        assert {(kind, id) for kind, held in store.resources.items() for id in held} == before
    sent = [line for line in own.lines(EntryType.PROCEDURE_CHANGED) if line.data["changed"] == ["fhir"]]
    assert [line.data["resources"] > 5 for line in sent] == [True, True]


def reopen_and_close(own: Played) -> None:
    procedures.change(own.engine, own.id, {"closed_at": None}, at=CLOSED + 200.0)
    procedures.close(own.engine, own.id, at=CLOSED + 300.0)


def test_a_server_that_does_not_answer_is_asked_again_later_and_later_also_after_a_restart(own):
    with a_server(own) as (store, settings):
        store.statuses = [503, 302, 401]
        post = postman(own, settings)
        assert [post.turn(CLOSED + 61.0) for _ in range(3)] == [1.0, 2.0, 5.0]
        (standing,) = mirrors.standings(own.engine)
        assert (standing.failing_since, standing.reason) == (CLOSED + 61.0, "answered 401")
        assert store.resources == {}
        role = Outside(settings, own.engine, lambda: CLOSED + 70.0)
        role.start()
        until(lambda: mirrors.standings(own.engine)[0].told_at, "the role forward has sent it")
        role.stop()
        assert len(store.of("Procedure")) == 1
        assert mirrors.standings(own.engine)[0].failing_since is None


def test_a_bundle_that_is_refused_for_good_keeps_none_behind_it_waiting_and_the_journal_says_so(own):
    with a_server(own) as (store, settings):
        store.statuses = [422]
        post = postman(own, settings)
        post.turn(CLOSED + 61.0)
        post.turn(CLOSED + 62.0)
        assert len(store.asked) == 1
        assert own.lines(EntryType.PROCEDURE_CHANGED)[-1].data == {"changed": ["fhir"], "reason": "answered 422"}
        reopen_and_close(own)
        post.turn(CLOSED + 400.0)
        assert len(store.of("Procedure")) == 1


def test_what_closed_before_what_was_never_seen_and_replays_are_sent_to_nobody(own):
    with a_server(own) as (store, settings):
        postman(own, settings, now=CLOSED + 1.0).turn(CLOSED + 100.0)
        for replay in (None, "r1"):
            opening = Opening(at=CLOSED, study_instance_uid=f"1.2.{bool(replay):d}", replay=replay, mode=Mode.REPLAY)
            procedures.close(own.engine, open_procedure(own.engine, opening).id, at=CLOSED + 200.0)
        postman(own, settings).turn(CLOSED + 300.0)
        assert store.asked == []


def test_where_there_are_archives_the_objects_are_made_first_so_that_the_study_names_them(own):
    pacs = Archive(name="PACS", host="127.0.0.1", port=9, called="PACS")
    with a_server(own) as (store, told):
        settings = told.model_copy(update={"archives": (pacs,)})
        reporter, post = Reporter(settings, own.engine, now=CLOSED - 5.0), postman(own, settings)
        post.turn(CLOSED + 61.0)
        assert store.asked == []
        reporter.step(CLOSED + 61.0)
        post.turn(CLOSED + 62.0)
        assert len(store.of("Procedure")) == 1


@pytest.mark.parametrize(
    "url",
    [
        "fhir.example",
        "ftp://fhir.example",
        "https://anna:secret@fhir.example/r4",
        "https://fhir.example:99999/r4",
        "https://fhir.example/r4?a=b",
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_at_the_start(url):
    with pytest.raises(ValidationError, match=r"expected a url|authorization_file|out of range"):
        FhirServer(url=url)


def broken(folder, name: str, text: str | None) -> dict[str, object]:
    """A file of the settings that is not what it should be; none where ``text`` is None."""
    path = folder / "broken"
    if text is not None:
        path.write_text(text)
    return {name: path}


@pytest.mark.parametrize(
    ("name", "text"),
    [("authorization_file", None), ("authorization_file", "Bearer é"), ("authorities", None), ("authorities", "none")],
)
def test_files_for_the_server_that_are_broken_stop_nothing_else_and_are_waited_for(own, tmp_path, name, text):
    with a_server(own) as (store, settings):
        server = settings.fhir_server.model_copy(update=broken(tmp_path, name, text))
        wrong = settings.model_copy(update={"fhir_server": server})
        assert postman(own, wrong).turn(CLOSED + 61.0) == 1.0
        assert store.asked == []


def test_terms_that_cannot_be_read_are_waited_for_and_findings_that_cannot_be_told_are_said_to_be_given_up(
    own, tmp_path, monkeypatch
):
    def fail(*_: object) -> None:
        raise ValueError("Müller^Jörg")

    with a_server(own) as (store, settings):
        wrong = settings.model_copy(update=broken(tmp_path, "report_terms_file", None))
        assert postman(own, wrong).turn(CLOSED + 61.0) == 1.0
        monkeypatch.setattr("service.fhir.post.bundle_of", fail)
        postman(own, settings).turn(CLOSED + 62.0)
        assert own.lines(EntryType.PROCEDURE_CHANGED)[-1].data == {"changed": ["fhir"], "reason": "ValueError"}
        assert mirrors.standings(own.engine)[0].reason == f"procedure {own.id} was given up: ValueError"
        assert store.asked == []


def test_procedures_that_closed_at_one_moment_are_done_together_or_again(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")
    opened = [open_procedure(engine, Opening(at=1.0, study_instance_uid=f"1.{n}", mode=Mode.LIVE)) for n in range(25)]
    for each in opened:
        procedures.close(engine, each.id, at=CLOSED)
    meet_reader(engine, READER, 0)
    ids = [each.id for each in islice(ended(engine, READER, CLOSED + 61.0, before=CLOSED), 24)]
    again = [each.id for each in ended(engine, READER, CLOSED + 61.0, before=CLOSED)]
    assert again[:24] == ids
    assert set(again) == {each.id for each in opened}
    assert list(ended(engine, READER, CLOSED + 61.0, before=CLOSED)) == []
    engine.dispose()
