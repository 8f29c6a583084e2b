"""Two views of one procedure: one alert for one leak, and what neither of them shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detection.alarm import resume
from detection.vocabulary import (
    Act,
    Condition,
    EntryType,
    Findings,
    Kind,
    Priority,
    Side,
    Signal,
    TechnicalCause,
    Validity,
    View,
    Zone,
)
from tests.detection.alarm_words import CLEAN, IN_CANAL, IN_DISC, RULES, Room, frame, piece, types

AP_CLEAN = frame(view=View.AP)
DISC_IN_AP = frame(piece(Zone.DISC, 30.0, side=Side.SUPERIOR), view=View.AP)
VEIN_IN_FRONT = frame(piece(Zone.VEIN, side=Side.ANTERIOR))
VEIN_AT_LEFT = frame(piece(Zone.VEIN, side=Side.IMAGE_LEFT), view=View.AP)


class Biplane(Room):
    """A room with two planes: one source sends the lateral view, the other AP."""

    def see(self, *frames: Findings, times: int = 1, acts: tuple[Act, ...] = ()):
        news = []
        for each in frames * times:
            self.setting = replace(self.setting, source="PLANE_A" if each.view is View.LATERAL else "PLANE_B")
            news += super().see(each, acts=acts)
            acts = ()
        return news


@pytest.fixture
def room() -> Biplane:
    return Biplane()


@pytest.fixture
def noted(room) -> Biplane:
    """A disc leak that the lateral plane shows, and that was acknowledged."""
    room.see(IN_DISC, times=5)
    room.act(EntryType.ACKNOWLEDGE, room.only.id)
    return room


def shown_by(alert) -> dict[str, Condition]:
    return {str(witness.view): witness.condition for witness in alert.witnesses}


def test_a_leak_that_both_planes_show_is_one_alert(room):
    changes = room.see(IN_DISC, DISC_IN_AP, times=8)
    assert types(changes) == [EntryType.ALERT_RAISED, EntryType.ALERT_CHANGED]
    assert changes[1].cause == "seen in the AP view too"
    assert shown_by(room.only) == {"lateral": Condition.PRESENT, "ap": Condition.PRESENT}
    assert [witness.area_mm2 for witness in room.only.witnesses] == [12.0, 30.0]
    assert room.only.message.endswith("Also in the AP view: superior, 30 mm².")


def test_it_shows_the_view_that_saw_it_first_while_both_look(room):
    room.see(IN_DISC, DISC_IN_AP, times=8)
    assert (room.only.source, room.only.view, room.only.area_mm2) == ("PLANE_A", View.LATERAL, 12.0)


def test_it_shows_the_view_that_still_looks_when_the_other_has_stopped(room):
    room.see(IN_DISC, DISC_IN_AP, times=8)
    room.see(DISC_IN_AP, times=int(8 * RULES.valid_s) + 2)
    assert (room.only.source, room.only.view, room.only.validity) == ("PLANE_B", View.AP, Validity.VALID)


def test_the_sighting_of_another_view_is_further_evidence_and_no_second_alarm(noted):
    noted.see(DISC_IN_AP, times=8)
    assert noted.only.signal is Signal.ACKNOWLEDGED
    assert shown_by(noted.only) == {"lateral": Condition.PRESENT, "ap": Condition.PRESENT}


def test_size_in_another_projection_is_no_growth_but_growth_in_it_is(noted):
    noted.see(frame(piece(Zone.DISC, 60.0, side=Side.SUPERIOR), view=View.AP), times=8)
    assert noted.only.signal is Signal.ACKNOWLEDGED
    grown = noted.see(frame(piece(Zone.DISC, 95.0, side=Side.SUPERIOR), view=View.AP), times=4)
    assert [change.cause for change in grown] == ["grown by a step"]
    assert noted.only.signal is Signal.ON


def test_growth_that_both_views_show_sounds_once(room):
    room.see(IN_DISC, DISC_IN_AP, times=8)
    room.act(EntryType.ACKNOWLEDGE, room.only.id)
    larger = (
        frame(piece(Zone.DISC, 24.0, side=Side.SUPERIOR)),
        frame(piece(Zone.DISC, 60.0, side=Side.SUPERIOR), view=View.AP),
    )
    assert types(room.see(*larger, times=8)) == [EntryType.ALERT_WORSENED]


def test_what_the_first_view_shows_in_part_only_is_a_new_direction_in_the_other(room):
    room.see(VEIN_IN_FRONT, times=5)
    room.act(EntryType.ACKNOWLEDGE, room.only.id)
    (change,) = room.see(VEIN_AT_LEFT, times=5)
    assert (change.type, change.cause) == (EntryType.ALERT_WORSENED, "new direction: image_left")
    assert room.only.signal is Signal.ON


@pytest.mark.parametrize("order", [1, -1])
def test_the_priority_is_the_higher_of_the_two(room, order):
    small = frame(piece(Zone.SOFT_TISSUE, 5.0, side=Side.ANTERIOR))
    large = frame(piece(Zone.SOFT_TISSUE, 40.0, side=Side.IMAGE_LEFT), view=View.AP)
    for each in (small, large)[::order]:
        room.see(each, times=6)
    room.see(small, large, times=4)
    assert (room.only.priority, room.only.view) == (Priority.MEDIUM, View.AP)
    assert [witness.priority for witness in room.only.witnesses][::order] == [Priority.LOW, Priority.MEDIUM]


def test_it_ends_when_no_view_shows_it_any_more(room):
    room.see(IN_DISC, DISC_IN_AP, times=8)
    (left,) = room.see(AP_CLEAN, IN_DISC, times=30)
    assert (left.type, left.cause) == (EntryType.ALERT_CHANGED, "no longer seen in the AP view")
    assert shown_by(room.only) == {"lateral": Condition.PRESENT, "ap": Condition.ABSENT}
    assert "Also" not in room.only.message
    (ended,) = room.see(AP_CLEAN, CLEAN, times=30)
    assert (ended.type, ended.cause) == (EntryType.ALERT_ENDED, f"{RULES.leak_end_n} valid frames without it")


def test_a_view_that_cannot_show_a_zone_never_clears_it(room):
    room.see(IN_CANAL, times=3)
    (doubt,) = room.see(AP_CLEAN, times=100)
    assert doubt.cause == "no valid frames"
    assert (room.only.condition, room.only.validity) == (Condition.PRESENT, Validity.QUESTIONABLE)
    believed, ended = room.see(CLEAN, AP_CLEAN, times=40)
    assert (believed.cause, ended.type) == ("valid frames again", EntryType.ALERT_ENDED)


def test_a_view_that_looks_elsewhere_casts_no_doubt_on_what_the_other_shows(room):
    room.see(IN_CANAL, times=3)
    assert room.see(AP_CLEAN, IN_CANAL, times=60) == []


def test_a_swung_arm_that_loses_a_leak_in_one_view_does_not_end_what_the_other_showed():
    arm = Room()
    arm.see(IN_DISC, times=5)
    arm.see(DISC_IN_AP, times=8)
    arm.see(AP_CLEAN, times=60)
    assert (arm.only.condition, arm.only.validity) == (Condition.PRESENT, Validity.QUESTIONABLE)
    assert types(arm.see(CLEAN, times=40))[-1] is EntryType.ALERT_ENDED


def test_glimpses_of_two_views_do_not_add_up(room):
    need = RULES.leak_n
    assert room.see(IN_DISC, times=need - 1) == []
    assert room.see(DISC_IN_AP, times=need - 1) == []


def test_what_an_operator_did_counts_once_though_every_source_hears_it(noted):
    act = Act(number=1, type=EntryType.ACKNOWLEDGE, at=noted.time_s, actor="nurse", alert=noted.only.id)
    assert noted.see(AP_CLEAN, acts=(act,)) == []
    close = Act(number=2, type=EntryType.PROCEDURE_CLOSED, at=noted.time_s, actor="nurse")
    assert types(noted.see(CLEAN, acts=(close,))) == [EntryType.ALERT_ENDED]
    assert noted.see(DISC_IN_AP, acts=(close,)) == []


def test_trouble_is_one_source_s_own(room):
    room.see(CLEAN, AP_CLEAN)
    room.wait(1.0, TechnicalCause.NO_FRAMES)
    assert (room.only.source, room.only.witnesses) == ("PLANE_B", ())
    room.setting = replace(room.setting, source="PLANE_A")
    assert types(room.wait(0.1, TechnicalCause.NO_FRAMES)) == [EntryType.ALERT_RAISED]
    assert types(room.wait(0.1)) == [EntryType.ALERT_ENDED]
    assert room.wait(2 * RULES.valid_s) == []
    assert [(alert.source, alert.validity) for alert in room.alerts] == [("PLANE_B", Validity.VALID)]


def test_an_alarm_resumed_from_the_journal_knows_both_views(room):
    room.see(IN_DISC, DISC_IN_AP, times=8)
    again = Biplane(alarm=resume(room.alerts), time_s=room.time_s, n_frames=room.n_frames)
    assert again.alerts == room.alerts
    again.see(AP_CLEAN, IN_DISC, times=30)
    assert shown_by(again.only) == {"lateral": Condition.PRESENT, "ap": Condition.ABSENT}


def test_alerts_of_the_time_when_each_source_had_its_own_are_all_taken_up():
    old = []
    for source in ("PLANE_A", "PLANE_B"):
        room = Room(setting=replace(Room().setting, source=source))
        room.see(IN_DISC, times=5)
        old.append(replace(room.only, witnesses=()))
    again = Room(alarm=resume(old), time_s=10.0)
    assert {alert.id for alert in again.alerts} == {alert.id for alert in old}
    again.act(EntryType.PROCEDURE_CLOSED)
    assert again.alerts == ()


def test_vanished_cement_is_one_alert_too(room):
    gone = piece(Zone.VEIN, side=Side.ANTERIOR)
    room.see(frame(vanished=(gone,)), frame(vanished=(replace(gone, side=Side.IMAGE_LEFT),), view=View.AP), times=6)
    assert [(alert.kind, alert.priority) for alert in room.alerts] == [(Kind.VANISHED, Priority.HIGH)]


# What one view leaves open


@pytest.fixture
def in_canal(room) -> Biplane:
    """The lateral plane shows a leak in the canal and none in the disc; AP shows it over the disc."""
    room.see(IN_CANAL, DISC_IN_AP, times=8)
    return room


def test_cement_over_the_disc_in_ap_that_lateral_shows_in_the_canal_is_no_disc_leak(in_canal):
    assert (in_canal.only.zone, in_canal.only.priority) == (Zone.CANAL, Priority.HIGH)
    assert in_canal.only.message.endswith("Over the disc, superior, in the AP view: 30 mm².")
    told = [change.cause for change in in_canal.changes]
    assert told[1:] == ["seen over the disc, superior, in the AP view"]


def test_it_is_a_disc_leak_once_lateral_shows_it_there_too(in_canal):
    both = frame(*IN_CANAL.pieces, *IN_DISC.pieces)
    in_canal.see(both, DISC_IN_AP, times=8)
    assert [alert.zone for alert in in_canal.alerts] == [Zone.CANAL, Zone.DISC]
    assert len(in_canal.alerts[1].witnesses) == 2


def test_it_is_a_disc_leak_when_the_other_view_no_longer_shows_the_leak(in_canal):
    in_canal.see(CLEAN, DISC_IN_AP, times=30)
    assert [(alert.zone, alert.signal) for alert in in_canal.alerts] == [
        (Zone.CANAL, Signal.LATCHED),
        (Zone.DISC, Signal.ON),
    ]


def test_it_is_a_disc_leak_when_the_other_view_has_not_looked_for_long(in_canal):
    in_canal.see(DISC_IN_AP, times=int(8 * RULES.valid_s) + 4)
    assert Zone.DISC in {alert.zone for alert in in_canal.alerts}


@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param(frame(piece(Zone.CANAL), zones_watched=(Zone.CANAL,)), id="the other view does not show the disc"),
        pytest.param(frame(piece(Zone.FORAMEN)), id="the other leak lies below the wall's middle"),
        pytest.param(frame(piece(Zone.SOFT_TISSUE, 5.0)), id="the other leak is less urgent"),
        pytest.param(frame(piece(Zone.NEEDLE_TRACT)), id="the other leak cannot lie over the disc"),
    ],
)
def test_a_leak_that_does_not_explain_it_leaves_it_a_disc_leak(room, elsewhere):
    room.see(elsewhere, DISC_IN_AP, times=8)
    assert Zone.DISC in {alert.zone for alert in room.alerts}


def test_what_leaves_sideways_lies_over_the_disc_in_lateral_and_ap_says_where_it_is(room):
    room.see(VEIN_AT_LEFT, IN_DISC, times=8)
    assert room.only.zone is Zone.VEIN
    assert room.only.message.endswith("Over the disc, superior, in the lateral view: 12 mm².")


def test_an_alert_that_stands_is_taken_back_by_no_other_view(room):
    room.see(DISC_IN_AP, times=8)
    room.see(IN_CANAL, DISC_IN_AP, times=8)
    assert {alert.zone: alert.condition for alert in room.alerts} == dict.fromkeys(
        (Zone.DISC, Zone.CANAL), Condition.PRESENT
    )
