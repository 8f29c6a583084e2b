"""One frame's journey, and the way back to frames that were passed over in haste."""

from __future__ import annotations

from dataclasses import replace

from detection.vocabulary import EntryType, Kind, Mode
from service.journey import Case, weigh, weigh_afterwards
from tests.detection.films import RULES, VEIN, film


def played(order, first_passed):
    """The case, and the leak alerts raised, when a film's frames are judged in this order; later ones are looked back at."""
    reel = film(VEIN)
    case = Case(procedure="p", source="CARM1", mode=Mode.LIVE, plan=reel.plan())
    raised = []
    for number in order:
        frame = reel.frames[number]
        is_passed = first_passed is not None and first_passed <= number < order[first_passed]
        judge_frame = weigh_afterwards if is_passed else weigh
        if number == order[first_passed or 0] and first_passed is not None:
            case = replace(case, aside=case.memory)
        verdict = judge_frame(frame, case, (), RULES, judged_at=frame.stamp.received_at)
        case = verdict.case
        raised += [
            (change.alert.zone, number)
            for change in verdict.changes
            if change.type is EntryType.ALERT_RAISED and change.alert.kind is Kind.LEAK
        ]
    return case, raised


def test_a_vein_cast_that_washed_out_while_frames_were_skipped_is_found_afterwards():
    reel = film(VEIN)
    first, last = reel.moment(3.5), len(reel.frames) - 1
    in_order = [*range(last + 1)]
    in_haste = [*range(first), last, *range(first, last)]
    _, seen_in_order = played(in_order, None)
    _, seen_afterwards = played(in_haste, first)
    assert seen_in_order, "there is a leak to be found"
    assert seen_afterwards == seen_in_order


def test_looking_back_leaves_the_memory_of_the_newest_frame_as_it_is():
    reel = film(VEIN)
    case = Case(procedure="p", source="CARM1", mode=Mode.LIVE, plan=reel.plan())
    for frame in reel.frames[:12]:
        case = weigh(frame, case, (), RULES, judged_at=0.0).case
    case = replace(case, aside=case.memory)
    after = weigh_afterwards(reel.frames[12], case, (), RULES, judged_at=0.0).case
    assert after.memory is case.memory
    assert after.last is case.last
    assert after.aside is not case.aside
