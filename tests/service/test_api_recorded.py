"""Live meets record: what the journal knows is proposed, a physician decides, and the alerts are measured by it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from detection.vocabulary import Kind, Priority, Side, Zone

V1 = "/api/v1"
PLAN = {"posterior_superior": [84, 88], "posterior_inferior": [172, 84], "anterior_superior": [90, 190]}
PLAN |= {"anterior_inferior": [178, 186], "posterior_wall": "broken", "level": "L2"}


def post(room, path, status=200, **content):
    answer = room.client.post(f"{V1}/{path}", json=content)
    assert answer.status_code == status, answer.text
    return answer.json()


def act(room, type, **content):
    return post(room, f"procedures/{room.procedure}/log", 201, type=type, **content)


@pytest.fixture
def watched(room):
    """A PVP of L2 and L3: two aliquots, resistance, a leak alert in the canal and one in the disc."""
    room.open(levels=("L2", "L3"))
    for _ in range(3):
        room.see()
    assert room.client.put(f"{V1}/procedures/{room.procedure}/plan/lateral", json=PLAN).status_code == 200
    act(room, "cement_mixed")
    act(room, "needle_placed", level="L2", side="left")
    act(room, "injection_started", level="L2")
    act(room, "aliquot", level="L2", volume_ml=0.5)
    act(room, "aliquot", level="L2", volume_ml=0.75)
    act(room, "resistance", level="L2")
    room.raise_alert("canal")
    room.raise_alert("canal-again")
    room.raise_alert("disc", zone=Zone.DISC, side=Side.INFERIOR, level="L3")
    room.raise_alert("near", kind=Kind.APPROACH, zone=Zone.POSTERIOR_BAND)
    act(room, "injection_stopped", level="L2")
    act(room, "aliquot", volume_ml=1)
    return room


@pytest.fixture
def recorded(watched):
    patient = post(watched, "record/patients", 201, pseudonym="A-001")
    return post(watched, f"procedures/{watched.procedure}/record", 201, patient=patient["id"])


def test_a_procedures_record_is_proposed_from_its_journal(watched, recorded):
    operation = recorded["operation"]
    assert (operation["procedure"], operation["kind"]) == (watched.procedure, "pvp")
    assert operation["cement_mixed_at"] is not None
    assert operation["dose_area_product_gy_cm2"] is None
    assert [(level["level"], level["volume_ml"]) for level in recorded["level"]] == [("L2", 1.25), ("L3", None)]
    assert recorded["level"][0]["posterior_wall"] == "broken"
    assert recorded["level"][0]["examined_with"] == ["live"]
    assert [step["kind"] for step in recorded["step"]] == ["cement_mixed", "needle", "injection"]
    assert recorded["step"][2]["ended_at"] is not None
    assert [needle["side"] for needle in recorded["needle"]] == ["left"]
    assert [(each["volume_ml"], each["has_resistance"]) for each in recorded["aliquot"]] == [(0.5, None), (0.75, True)]


def injected(room, *acts):
    """The aliquots, in the order of their end, and the remarks that are proposed after these acts at the only level."""
    room.open(levels=("L2",))
    for type, content in acts:
        act(room, type, **content)
    patient = post(room, "record/patients", 201, pseudonym="A-001")
    told = post(room, f"procedures/{room.procedure}/record", 201, patient=patient["id"])
    parts = sorted(told["aliquot"], key=lambda each: each["ended_at"])
    return (
        [(each["volume_ml"], each["has_resistance"]) for each in parts],
        told["level"][0]["volume_ml"],
        told["unplaced"],
    )


def test_resistance_belongs_to_the_injection_during_which_it_was_felt(room):
    started, stopped = ("injection_started", {}), ("injection_stopped", {"volume_ml": 1.0})
    parts, _, _ = injected(room, started, stopped, started, ("resistance", {}), stopped)
    assert parts == [(1.0, None), (1.0, True)]


def test_cement_noted_in_aliquots_and_again_at_the_stop_is_counted_once_and_said(room):
    aliquots = [("aliquot", {"volume_ml": 0.5})] * 2
    parts, volume, remarks = injected(
        room, ("injection_started", {}), *aliquots, ("injection_stopped", {"volume_ml": 1.0})
    )
    assert (parts, volume) == ([(0.5, None)] * 2, 1.0)
    assert any("aliquots were noted before it" in remark for remark in remarks)


def test_leaks_seen_live_are_proposed_once_by_level_and_site_with_alert_and_frame(recorded):
    told = {(leak["site"], leak["finding"], leak["alert"], leak["modality"]) for leak in recorded["leak"]}
    assert told == {
        ("spinal_canal", "proposed", "canal", "live"),
        ("disc_inferior", "proposed", "disc", "live"),
    }
    (canal,) = [leak for leak in recorded["leak"] if leak["site"] == "spinal_canal"]
    assert canal["sop_instance_uid"] == "1.2.3.3"
    assert canal["first_alert_at"] is not None
    assert canal["first_action_at"] is not None
    assert canal["first_seen_at"] is None, "that is for whoever reads the frames"


def test_what_cannot_be_placed_is_said_and_not_guessed(recorded):
    assert any("names no level" in line for line in recorded["unplaced"])
    assert any("no dose" in line for line in recorded["unplaced"])


def test_a_procedure_has_one_record(watched, recorded):
    answer = watched.client.post(
        f"{V1}/procedures/{watched.procedure}/record", json={"patient": recorded["patient"]["id"]}
    )
    assert watched.error(answer, 409)["details"]["operation"] == recorded["operation"]["id"]
    assert watched.api(f"procedures/{watched.procedure}/record")["operation"]["version"] == 1


def test_every_change_of_the_record_stands_in_the_procedures_log(watched, recorded):
    lines = watched.api(f"procedures/{watched.procedure}/log", types="record_changed", limit=100)["items"]
    kinds = [line["data"]["record"] for line in lines]
    assert kinds == [
        "operation",
        "level",
        "level",
        "step",
        "step",
        "step",
        "needle",
        "aliquot",
        "aliquot",
        "leak",
        "leak",
    ]


def decide(room, leak, **changes):
    answer = room.client.patch(f"{V1}/record/leaks/{leak['id']}", json={"version": leak["version"], "changes": changes})
    assert answer.status_code == 200, answer.text


def at(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def test_the_product_measures_itself(watched, recorded):
    leaks = {leak["site"]: leak for leak in recorded["leak"]}
    first = watched.alerts["canal"].raised_at - 2.5
    decide(watched, leaks["spinal_canal"], finding="confirmed", first_seen_at=at(first))
    decide(watched, leaks["disc_inferior"], finding="rejected")
    level = {each["level"]: each["id"] for each in recorded["level"]}
    post(watched, "record/leaks", 201, level=level["L2"], site="epidural_vein", modality="ct")
    post(watched, "record/leaks", 201, level=level["L2"], site="segmental_vein", modality="ct")
    told = watched.api(f"procedures/{watched.procedure}/agreement")
    canal = told["fluoroscopy"]["canal"]
    assert (canal["found"]["numerator"], canal["found"]["denominator"]) == (1, 1)
    assert canal["delay_s"]["median"] == pytest.approx(2.5, abs=0.01)
    assert told["ct"]["canal"]["found"]["numerator"] == 1
    assert (told["ct"]["vein"]["found"]["numerator"], told["ct"]["vein"]["found"]["denominator"]) == (0, 1)
    assert (told["true_alerts"]["numerator"], told["true_alerts"]["denominator"]) == (2, 3)
    assert told["false_by_zone"] == {"disc": 1}
    assert told["false_per_procedure"] == 1.0
    assert "2 of 3 confirmed leaks lack the time" in told["warnings"][0]


def test_a_silent_alert_finds_a_leak_and_is_no_false_alarm(watched, recorded):
    watched.raise_alert("tissue", zone=Zone.SOFT_TISSUE, level="L2", priority=Priority.LOW)
    watched.raise_alert("tract", zone=Zone.NEEDLE_TRACT, level="L2", priority=Priority.LOW)
    level = next(each["id"] for each in recorded["level"] if each["level"] == "L2")
    post(watched, "record/leaks", 201, level=level, site="paravertebral", modality="final_lateral")
    told = post(watched, "cohorts/agreement")
    assert told["fluoroscopy"]["soft_tissue"]["found"]["numerator"] == 1
    assert (told["true_silent_alerts"]["numerator"], told["true_silent_alerts"]["denominator"]) == (1, 2)
    assert (told["true_alerts"]["denominator"], told["false_by_zone"], told["false_per_procedure"]) == (0, {}, 0.0)


def test_an_undecided_leak_makes_its_alert_neither_true_nor_false(watched, recorded):
    told = post(watched, "cohorts/agreement")
    assert (told["n_procedures"], told["true_alerts"]["denominator"], told["false_by_zone"]) == (1, 0, {})
    assert "count neither way" in told["warnings"][0]


def test_a_record_is_confirmed_when_every_proposed_leak_is_decided(watched, recorded):
    operation = recorded["operation"]["id"]
    answer = watched.client.post(f"{V1}/record/operations/{operation}/confirm", json={"version": 1})
    assert len(watched.error(answer, 409)["details"]["leaks"]) == 2
    for leak in recorded["leak"]:
        decide(watched, leak, finding="rejected")
    done = post(watched, f"record/operations/{operation}/confirm", version=1)
    assert (done["confirmed_by"], done["version"]) == ("local", 2)


def confirmed(room, recorded):
    for leak in recorded["leak"]:
        decide(room, leak, finding="rejected")
    return post(room, f"record/operations/{recorded['operation']['id']}/confirm", version=1)


def patch_operation(room, id, version, **changes):
    return room.client.patch(f"{V1}/record/operations/{id}", json={"version": version, "changes": changes})


def test_nobody_enters_a_confirmation_by_hand(watched, recorded):
    id, patient = recorded["operation"]["id"], recorded["patient"]["id"]
    forged = {"confirmed_by": "somebody else", "confirmed_at": "2026-01-01T00:00:00Z"}
    for name, value in forged.items():
        details = watched.error(patch_operation(watched, id, 1, **{name: value}), 400)["details"]
        assert details["field"] == name
    made = watched.client.post(f"{V1}/record/operations", json={"patient": patient, "kind": "pvp", **forged})
    assert watched.error(made, 400)["details"]["field"] == "confirmed_at"
    row = {"patient": patient, "kind": "pvp", **forged}
    told = watched.error(watched.client.post(f"{V1}/record/import", json={"operations": [row]}), 400)
    assert [cell["column"] for cell in told["details"]["cells"]] == ["confirmed_at"]


def test_a_confirmation_is_of_what_was_read(watched, recorded):
    done = confirmed(watched, recorded)
    id, level = done["id"], recorded["level"][0]["id"]
    same = patch_operation(watched, id, 2, blood_loss_ml=done["blood_loss_ml"]).json()
    assert (same["version"], same["confirmed_by"]) == (2, "local"), "nothing changed"
    assert not [each for each in watched.api(f"record/operations/{id}/whole")["remarks"] if each["field"] == "version"]
    watched.client.patch(f"{V1}/record/levels/{level}", json={"version": 1, "changes": {"volume_ml": 3}})
    (late,) = [each for each in watched.api(f"record/operations/{id}/whole")["remarks"] if each["field"] == "version"]
    assert (late["id"], late["words"]) == (level, "was written after the record was confirmed")
    changed = patch_operation(watched, id, 2, blood_loss_ml=80).json()
    assert (changed["confirmed_by"], changed["confirmed_at"]) == (None, None)


def test_what_does_not_add_up_is_said_beside_the_record(watched, recorded):
    level = recorded["level"][0]
    changes = {
        "volume_ml": 3.0,
        "sins": {"location": "junctional", "collapse": "under_half"},
        "height_loss_percent": 60,
    }
    changes |= {"approach": "unilateral"}
    answer = watched.client.patch(f"{V1}/record/levels/{level['id']}", json={"version": 1, "changes": changes})
    assert answer.status_code == 200
    post(watched, "record/needles", 201, level=level["id"], side="right")
    post(watched, "record/leaks", 201, level=level["id"], site="disc", modality="ct")
    post(
        watched, "record/follow-ups", 201, operation=recorded["operation"]["id"], time_point="m1", seen_on="2001-01-01"
    )
    told = watched.api(f"record/operations/{recorded['operation']['id']}/whole")
    words = [remark["words"] for remark in told["remarks"]]
    for expected in (
        "the aliquots add up to 1.25 ml",
        "L2 is mobile in SINS",
        "a loss of height of 60 % is over_half in SINS",
        "unilateral, but needles on both sides",
        "the vertebra is not recorded as examined with this",
        "the time point m1 lies before the operation",
        "proposed by an alert; a physician has not decided",
    ):
        assert expected in words
    assert "not a medical device" in told["safety"]


def test_vertebrae_stand_from_head_to_foot_and_visits_in_their_order_whatever_was_written_last(watched, recorded):
    operation, first = recorded["operation"]["id"], recorded["level"][0]
    told = {"version": 1, "changes": {"lesion": "lytic"}}
    assert watched.client.patch(f"{V1}/record/levels/{first['id']}", json=told).status_code == 200
    for time in ({"time_point": "later", "months": 24}, {"time_point": "later", "months": 18}, {"time_point": "m12"}):
        post(watched, "record/follow-ups", 201, operation=operation, **time)
    post(watched, "record/follow-ups", 201, operation=operation, time_point="before")
    whole = watched.api(f"record/operations/{operation}/whole")
    assert [each["level"] for each in whole["level"]] == ["L2", "L3"]
    assert [each["time_point"] for each in whole["follow_up"]] == ["before", "m12", "later", "later"]
    assert [each["months"] for each in whole["follow_up"]] == [None, None, 18, 24]


def test_without_record_there_is_nothing_to_agree_with(watched):
    for path in ("record", "agreement"):
        watched.error(watched.client.get(f"{V1}/procedures/{watched.procedure}/{path}"), 404)
    answer = watched.client.post(f"{V1}/procedures/{watched.procedure}/record", json={"patient": "nobody"})
    assert watched.error(answer, 400)["details"]["field"] == "patient"
