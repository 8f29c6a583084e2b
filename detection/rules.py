"""Every threshold, with unit, default, source and reason.

A rule is a field of ``Rules``. Change one and the hash changes, which the journal records with each case.
Lengths are mm at the object plane; with an unknown scale the nominal depth of a body stands in as ruler.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

ALGORITHM_VERSION = "3"


def rule(default: float, *, unit: str, source: str, reason: str) -> Any:
    """A field of ``Rules`` that carries its own documentation."""
    return field(default=default, metadata={"unit": unit, "source": source, "reason": reason})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The thresholds of one installation."""

    near_share: float = rule(
        1 / 4,
        unit="share of body depth",
        source="Japanese review: stop at the posterior quarter",
        reason="MEDIUM: cement is in the posterior band",
    )
    far_share: float = rule(
        1 / 3, unit="share of body depth", source="clinical margin table", reason="LOW: a first notice before the band"
    )

    # pixels
    working_px: float = rule(
        512, unit="px", source="smallest leak 1 mm = 3 px at 0.3 mm", reason="longest side of the working picture"
    )
    black_share: float = rule(
        0.004,
        unit="share of ceiling",
        source="recordings and phantom",
        reason="darker than this and joined to the border is no field",
    )
    burnt_share: float = rule(
        0.995, unit="share of ceiling", source="detector saturation", reason="direct beam carries no picture"
    )
    blade_most: float = rule(
        0.24,
        unit="share of median",
        source="real CT behind blades, three display curves",
        reason="joined to the border, behind an edge and darker than this a blade that lets some light through is no field",
    )
    blade_edge: float = rule(
        2.5, unit="times as bright", source="blur at the edge of a blade", reason="so bright it is right beside a blade"
    )
    blade_blurred: float = rule(
        0.2,
        unit="share of edge",
        source="choice",
        reason="so much of a blade's edge may be blurred, or lie on something dark",
    )
    field_margin_px: float = rule(
        7,
        unit="working px",
        source="phantom: edge enhancement and motion at a round field",
        reason="the rim of the open field is not judged",
    )
    # fitness
    least_field: float = rule(
        0.15, unit="share of picture", source="choice", reason="less open field than this is not judged"
    )
    least_spread: float = rule(0.02, unit="nats", source="phantom", reason="a flat picture has no detail to hold on to")
    big_object: float = rule(
        0.12,
        unit="share of field",
        source="choice: a hand or collimator",
        reason="a new object this large at the border makes the frame unfit",
    )
    exposure_step: float = rule(
        0.25, unit="nats", source="physics section 8", reason="a jump of the whole picture is named"
    )
    collimated_share: float = rule(
        0.2, unit="share of zone area", source="choice", reason="a watched zone outside the field is named"
    )
    # motion
    least_trust: float = rule(
        0.35, unit="correlation", source="phantom at low dose", reason="below this the motion is not believed"
    )
    same_field_share: float = rule(
        0.2,
        unit="share of field",
        source="phantom: scatter at the rim of a closed collimator",
        reason="a field that differs by more is another scene",
    )
    same_scene_trust: float = rule(
        0.5, unit="correlation", source="phantom", reason="a remembered scene is taken up again above this"
    )
    trust_share: float = rule(
        0.7,
        unit="share of the usual correlation",
        source="phantom: a turn by 4 degrees",
        reason="a sudden fall below this is another view",
    )
    turn_frames: float = rule(
        10,
        unit="frames",
        source="choice: about a second",
        reason="so many frames with a fallen correlation start a new scene",
    )
    trust_rate: float = rule(
        0.05, unit="share per frame", source="choice", reason="how fast the usual correlation follows"
    )
    lost_frames: float = rule(3, unit="frames", source="choice", reason="so many lost frames start a new scene")
    # time of frames that tell none
    least_period_s: float = rule(
        1 / 30,
        unit="s",
        source="fluoroscopes pulse 30 times a second at most",
        reason="frames without a time of their own that come faster come in a burst, and are at least so far apart",
    )
    usual_period_s: float = rule(
        1 / 7.5,
        unit="s",
        source="physics section 5: 7.5 to 15 frames/s",
        reason="a burst is spread out so far, the slowest usual pace: cement that seems to rush is held as contrast agent",
    )
    most_ahead_s: float = rule(
        3.0,
        unit="s",
        source="choice: 22 frames at the usual pace",
        reason="as long as that runs ahead of receipt by no more than this",
    )
    # reference
    reference_frames: float = rule(
        8, unit="frames", source="noise falls by 2.8", reason="frames averaged before cement is judged"
    )
    # body
    body_least_contrast: float = rule(
        0.003, unit="nats", source="16-bit rounding and texture", reason="fainter detail is no edge of a body"
    )
    body_crowd_mm: float = rule(
        2.5, unit="mm", source="phantom and real CT", reason="outlines closer than this say the same"
    )
    body_right_mm: float = rule(
        3.5,
        unit="mm",
        source="wall line error adds up to 2-3 mm",
        reason="trust: how likely every corner is this close",
    )
    body_trust: float = rule(
        0.7,
        unit="trust 0-1",
        source="phantom: above it nineteen in twenty are right",
        reason="below this only cement well outside the body and long thin casts are judged, and the flag says so",
    )
    body_doubt_share: float = rule(
        0.9,
        unit="share of outlines",
        source="phantom and real CT: as many true walls lie within",
        reason="how many of the outlines that a picture leaves open must hold cement for it to be inside an uncertain body",
    )
    body_least_doubt_mm: float = rule(
        2.5,
        unit="mm",
        source="phantom and real CT",
        reason="outlines may all be wrong together: the least doubt about a wall of an uncertain body",
    )
    body_room_mm: float = rule(
        12.0,
        unit="mm",
        source="physics section 1: the smallest body is 24 x 16 mm",
        reason="a body reaches this far about its seed",
    )
    body_room_share: float = rule(
        0.75,
        unit="share of area",
        source="real angiogram: a line of its frame passed for a needle",
        reason="so much of that must lie in the open field, or it is no body that anybody treats",
    )
    body_tip_mm: float = rule(
        6.0,
        unit="mm",
        source="choice: a first drop of 20 mm2 has a radius of 2.5 mm",
        reason="first cement on the needle's line but so far from its tip says that the tip was seen wrongly",
    )
    body_line_mm: float = rule(
        5.0,
        unit="mm",
        source="choice: twice the radius of a first drop",
        reason="first cement so near the needle's line lies on it",
    )
    body_skin_mm: float = rule(
        15,
        unit="mm",
        source="anatomy: a hand's breadth of muscle and spinous processes",
        reason="so near to burnt-out air a lateral view shows no wall of a body",
    )
    air_nats: float = rule(
        0.05,
        unit="nats",
        source="detector saturation",
        reason="no field and so bright: air, and neither blade nor instrument",
    )
    body_shaft_mm: float = rule(
        1.0, unit="mm", source="blur at a cannula", reason="so near to a needle new cement may be what fills its bore"
    )
    body_shaft_share: float = rule(
        0.25,
        unit="share of cement",
        source="phantom whose tip was seen too far, and a real CT",
        reason="less than this of first cement beside the needle is what fills its bore",
    )
    body_cement_mm2: float = rule(
        20.0, unit="mm2", source="choice: a 5 mm blob", reason="so much cement where no body is known is a seed for one"
    )
    # needle
    needle_width_mm: float = rule(
        3.2, unit="mm", source="physics section 6: 11 G is 3.05 mm", reason="widest instrument that is masked"
    )
    needle_thinnest_mm: float = rule(
        1.4, unit="mm", source="endplates are 0.5-1.0 mm", reason="thinner dense lines are bone"
    )
    needle_length_mm: float = rule(15, unit="mm", source="choice", reason="shorter dense things are not needles")
    needle_contrast: float = rule(
        0.17,
        unit="nats",
        source="steel behind scatter to primary 2",
        reason="how much denser than its neighbourhood a needle is",
    )
    needle_faint_share: float = rule(
        0.55,
        unit="share of needle_contrast",
        source="phantom, scatter to primary 2.2",
        reason="a faint needle is looked for when no clear one is there",
    )
    needle_faint_mm: float = rule(
        28,
        unit="mm",
        source="phantom",
        reason="a faint needle must be this long, longer than an endplate's straight part",
    )
    needle_follow_mm: float = rule(
        60,
        unit="mm",
        source="body and pedicle",
        reason="how far beyond what was seen a needle is followed along its line",
    )
    needle_follow_share: float = rule(
        0.22,
        unit="share of contrast",
        source="phantom and real CT",
        reason="a needle fades slowly behind dense bone and ends at once: less than this share of its last contrast is its end",
    )
    needle_entry_mm: float = rule(
        6,
        unit="mm",
        source="phantom without needle",
        reason="a faint line is a needle only if it comes from the border",
    )
    needle_step_mm: float = rule(
        8, unit="mm", source="choice", reason="a needle is followed by so much at a time, its newest part the measure"
    )
    needle_skin: float = rule(
        0.25,
        unit="nats",
        source="real CT with its skin in the picture",
        reason="where what surrounds a needle grows denser by so much it enters the patient, and scatter makes it fainter at once",
    )
    needle_least_contrast: float = rule(
        0.02, unit="nats", source="noise of a reference", reason="a line fainter than this is not followed"
    )
    needle_margin_mm: float = rule(0.6, unit="mm", source="needle tremor", reason="margin around the mask of a needle")
    needle_play_mm: float = rule(
        4.0, unit="mm", source="needle moves by 1-3 mm during injection", reason="how far a needle is followed"
    )
    needle_tremor_mm: float = rule(
        1.5,
        unit="mm",
        source="needle moves by 1-3 mm during injection",
        reason="so far about a needle too faint to be followed nothing is judged",
    )
    needle_core_mm: float = rule(
        0.4,
        unit="mm",
        source="needle tremor",
        reason="what a trembling needle still covers is read for cement behind it",
    )
    column_far_share: float = rule(
        0.4,
        unit="share of length",
        source="choice",
        reason="this far part of the needle tells its shadow without cement",
    )
    column_slack: float = rule(
        0.06,
        unit="nats",
        source="phantom, needle moved",
        reason="a shadow that changed by more at its far end has moved",
    )
    column_share: float = rule(
        0.3,
        unit="share of the largest change",
        source="phantom",
        reason="less is scatter that the cement beside it took away",
    )
    # cement
    background_mm: float = rule(
        45,
        unit="mm",
        source="exposure and scatter are smooth",
        reason="width of the neighbourhood that tells exposure from cement",
    )
    least_slope: float = rule(
        0.6,
        unit="ratio of contrasts",
        source="90 against 120 kVp",
        reason="a larger change of contrast is not exposure",
    )
    slope_slack: float = rule(
        0.02, unit="ratio of contrasts", source="phantom without exposure change", reason="less is noise and left alone"
    )
    smooth_px: float = rule(1.0, unit="working px", source="phantom", reason="smoothing before thresholds")
    accumulate: float = rule(0.5, unit="share per frame", source="phantom", reason="weight of the newest frame")
    noise_floor: float = rule(
        0.004, unit="nats", source="16-bit rounding and texture", reason="noise is never taken as less"
    )
    noise_skew: float = rule(
        1.3,
        unit="ratio",
        source="phantom, slow cement at low dose and in display pictures",
        reason="noise is at most so much more than what lightens shows",
    )
    broad_mm: float = rule(
        0.6,
        unit="mm",
        source="phantom, faint cement in display pictures",
        reason="broad cement is looked for with pixels of this and of twice this size",
    )
    broad_skirt_share: float = rule(
        0.5,
        unit="share of the strongest neighbour",
        source="the edge of something broad is at half its height",
        reason="less than this beside something broad is its blur",
    )
    haze_mm: float = rule(
        15.0,
        unit="mm",
        source="phantom: scatter and glare of dense cement fade over more than a centimetre",
        reason="broad things must stand out from a neighbourhood this wide",
    )
    haze_most: float = rule(
        0.06,
        unit="nats",
        source="phantom: 0.03 to 0.06 about 3 ml of dense cement",
        reason="no haze is denser than this",
    )
    noise_rate: float = rule(0.2, unit="share per frame", source="choice", reason="how fast the noise map follows")
    strong_sigma: float = rule(
        5.0, unit="sigma", source="phantom, Rose criterion", reason="a pixel that founds a piece"
    )
    weak_sigma: float = rule(2.5, unit="sigma", source="phantom", reason="a pixel that may extend a piece")
    skirt_share: float = rule(
        0.2,
        unit="share of the strongest neighbour",
        source="half-width of the smoothing",
        reason="less than this beside cement is its blur",
    )
    least_contrast: float = rule(
        0.03, unit="nats", source="1 mm cast in lateral: 2 %", reason="never call less contrast cement"
    )
    least_piece_mm2: float = rule(
        1.5, unit="mm2", source="1 mm x 5 mm is the quantum limit", reason="specks are not cement"
    )
    guard_mm: float = rule(
        2.0, unit="mm", source="blur and lag", reason="margin around cement kept out of noise and motion"
    )
    seen_cap: float = rule(12, unit="frames", source="choice", reason="memory of a pixel that held cement")
    confirm_frames: float = rule(
        2, unit="frames", source="delay target of two frames", reason="frames before a pixel counts as cement"
    )
    steady_frames: float = rule(
        6, unit="frames", source="choice", reason="a piece far from all cement must stay this long"
    )
    rim_mm: float = rule(
        4.0,
        unit="mm",
        source="phantom and real CT: breathing of 1-3 mm behind a collimator, with scatter and sharpening at its edge",
        reason="what stands alone so near the rim of the field came in from outside, and is no cement",
    )
    reach_mm: float = rule(
        4.0,
        unit="mm",
        source="tip speed in a 2 mm vein at 7.5 frames/s",
        reason="how far new cement may lie from earlier cement",
    )
    tip_reach_mm: float = rule(8.0, unit="mm", source="choice", reason="cement starts at the needle tip")
    # clutter: what is new but no cement
    onset_s: float = rule(
        0.5,
        unit="s",
        source="phantom and a real angiogram",
        reason="time over which the onset of something new is judged",
    )
    suspect_mm2: float = rule(
        10.0,
        unit="mm2",
        source="phantom: cement stays below 15, a real angiogram has 10 three frames after the first trace",
        reason="this much new at once, out of reach, waits to show what it is",
    )
    probation_s: float = rule(
        0.3, unit="s", source="phantom and a real angiogram", reason="how long it waits unless it is named"
    )
    wave_mm2: float = rule(
        60.0,
        unit="mm2",
        source="phantom: contrast agent 190, a real angiogram 1000, a 1 mm vein at 64 mm/s 40",
        reason="this much new at once, out of reach, is contrast agent",
    )
    wave_mm: float = rule(
        20.0, unit="mm", source="choice: a first drop of cement is 5 to 15 mm", reason="and it must be spread this wide"
    )
    wave_reach_mm: float = rule(
        10.0,
        unit="mm",
        source="tip_reach_mm and 2 mm; in a real angiogram the heart beats 40 mm from a needle's tip",
        reason="what is new so near enough of a wave belongs to it; cement farther off does not wait for it",
    )
    wave_left_mm2: float = rule(5.0, unit="mm2", source="choice", reason="this much more out of reach keeps a wave up")
    wave_tail_s: float = rule(
        2.0, unit="s", source="contrast agent clears in 2-5 s", reason="this long after the last of it a wave is over"
    )
    settled_s: float = rule(
        2.0, unit="s", source="choice", reason="cement this old is established: what grows from it is cement"
    )
    stay_s: float = rule(
        4.0,
        unit="s",
        source="contrast agent clears in 2-5 s",
        reason="what has stayed this long without fading is no contrast agent",
    )
    fading_share: float = rule(
        0.75, unit="share of peak", source="phantom", reason="below this share of its densest something fades"
    )
    held_most_s: float = rule(
        8.0,
        unit="s",
        source="twice stay_s; contrast agent clears in 2-5 s",
        reason="nothing is held for longer, fading or not, and no wave goes on for longer",
    )
    beam_pause_s: float = rule(
        1.2,
        unit="s",
        source="choice: slower than one frame a second",
        reason="what appeared during a longer pause of the beam tells nothing about speed",
    )
    vessel_mm: float = rule(
        7.0, unit="mm", source="spinal and coronary vessels; fingers are 12 mm", reason="what is broader is no vessel"
    )
    border_mm2: float = rule(
        40.0,
        unit="mm2",
        source="phantom: a finger is 12 mm wide",
        reason="this much new at once that hangs on the border is a hand, or what moves there; it is held",
    )
    # balloon: what swells in the body but is no cement
    balloon_mm2: float = rule(
        60.0,
        unit="mm2",
        source="phantom: smaller boluses of cement may be as smooth",
        reason="what is smaller does not look like a balloon",
    )
    balloon_rough: float = rule(
        0.065,
        unit="share of area",
        source="phantom: balloons 0.04 to 0.08, cement 0.085 to 0.35",
        reason="what has no more between its outline and an ellipse looks like a balloon",
    )
    balloon_keeps_rough: float = rule(
        0.08,
        unit="share of area",
        source="phantom: the same",
        reason="and goes on looking so until it has more than this",
    )
    balloon_smooth_frames: float = rule(
        20,
        unit="frames",
        source="2.7 s at 7.5 frames/s; phantom and another simulator: cement in AP looked so on up to 16 frames, balloons on 50",
        reason="so many frames in a row it must have looked so",
    )
    balloon_left: float = rule(
        0.4,
        unit="share of density",
        source="phantom: cement never below 0.9, a balloon that keeps a quarter 0.3",
        reason="what looked like one and has less left of its density was one",
    )
    balloon_faded_frames: float = rule(
        3, unit="frames", source="choice: one bad frame fades nothing", reason="on so many frames in a row"
    )
    # zones
    disc_height_share: float = rule(
        0.3, unit="share of body height", source="physics section 1", reason="height of a disc zone"
    )
    beside_mm: float = rule(25, unit="mm", source="choice", reason="width of the strip beside the body")
    canal_depth_mm: float = rule(
        18, unit="mm", source="physics section 1: canal 15.5-19.7 mm", reason="depth of canal and foramen zones"
    )
    wall_margin_mm: float = rule(
        1.0,
        unit="mm",
        source="clinical margin: wall line +-1 mm, concave wall",
        reason="the band reaches this far beyond the wall line",
    )
    breach_mm: float = rule(
        1.5,
        unit="mm",
        source="wall line +-1 mm; contained fronts move 0.03-0.2 mm/s, leaks 1-16 mm/s",
        reason="a front that came so far within the window and is past the wall line has breached the wall: no margin any more",
    )
    breach_window_s: float = rule(
        1.0, unit="s", source="contained fronts move 0.03-0.2 mm/s", reason="time over which a breach is looked for"
    )
    end_margin_mm: float = rule(
        1.0, unit="mm", source="endplate thickness", reason="cement at the endplate is not yet in the disc"
    )
    side_margin_mm: float = rule(
        1.0, unit="mm", source="wall thickness and blur", reason="cement at the side wall is not yet outside"
    )
    least_leak_mm2: float = rule(
        1.5,
        unit="mm2",
        source="1 mm x 5 mm is the quantum limit",
        reason="less cement than this outside the body is no piece",
    )
    leak_reach_mm: float = rule(
        0.5, unit="mm", source="blur and outline error", reason="a piece must reach this far beyond the zone margin"
    )
    cast_width_mm: float = rule(
        5.0, unit="mm", source="phantom: leaks are 1 to 5 mm thick", reason="what is broader is a bolus and no cast"
    )
    cast_rim_mm: float = rule(1.0, unit="mm", source="phantom", reason="the ragged rim of a bolus is no cast either")
    cast_mm: float = rule(
        8.0,
        unit="mm",
        source="phantom and real CT",
        reason="a cast beyond the likely outline of an uncertain body is this long",
    )
    cast_mm2: float = rule(12.0, unit="mm2", source="phantom and real CT", reason="and has this area")
    cast_frames: float = rule(
        3,
        unit="frames",
        source="as many as make a leak of the disc or of soft tissue",
        reason="a pixel that was a cast on so many frames in a row stays one for as long as cement lies there",
    )
    cast_reach_mm: float = rule(
        1.0, unit="mm", source="phantom and real CT", reason="and reaches this far beyond that outline and its margin"
    )
    run_s: float = rule(
        1.0,
        unit="s",
        source="contained fronts move 0.03-0.2 mm/s, leaks 1-16 mm/s",
        reason="time over which cement that runs out of the body is told from cement that creeps",
    )
    run_mm: float = rule(
        1.0,
        unit="mm",
        source="contained fronts move 0.03-0.2 mm/s, leaks 1-16 mm/s; phantom",
        reason="cement beyond the outline that is so far from all that was there before has run, and has no margin",
    )
    run_mm2: float = rule(1.0, unit="mm2", source="phantom", reason="and it must be so much")
    run_reach_px: float = rule(
        3,
        unit="working px",
        source="phantom: what is told by its run reaches 0.9 mm, a bolus at its rim two pixels",
        reason="and it must reach so far beyond the outline, or it is the rim of what is inside",
    )
    run_doubt: float = rule(
        0.5,
        unit="share of doubt",
        source="two other CTs, another simulator: audible false alarms fall from 0.9 to 0.4 a level, no leak is lost",
        reason="where the body is uncertain it must run so much of the doubt beyond the outline",
    )
    run_outpace: float = rule(
        3.5,
        unit="ratio",
        source="two other CTs, another simulator: audible false alarms fall from 14 to 8 in 36 levels with 3 to 5, no leak is lost",
        reason="and toward disc, vein and soft tissue run so many times as far as the edge of the bolus inside it has come",
    )
    run_edge_share: float = rule(
        0.75,
        unit="share of edge",
        source="choice: walls stop a part of every bolus",
        reason="how far the edge of a bolus has come: the part of it that spreads least, up to this share, has come no farther",
    )
    run_vein_mm: float = rule(
        3.5,
        unit="mm",
        source="clinical timing: 2 mm vein 3.2-16 mm/s; phantom: soft tissue 1.1 to 3.1, veins 3.6 to 9.7 when they are told",
        reason="what ran so far within that time beside the body, no broader than a vein, runs in one",
    )
    run_open_mm: float = rule(
        3.0,
        unit="mm",
        source="clinical timing: 2 mm vein 3.2-16 mm/s; phantom: oblique veins 1.9 to 7, a bolus mostly below 1, once 2.6",
        reason="where no body is known, what ran so far within that time and is as thin as a vein runs in one",
    )
    run_settled_s: float = rule(
        5.0,
        unit="s",
        source="phantom: the first drop spreads by millimetres a second for up to four seconds",
        reason="and it must run from cement that is so old",
    )
    run_sights: float = rule(
        3,
        unit="half sights",
        source="delay target of two frames; phantom",
        reason="on frames in a row: one with so much counts two, one with half of it counts one",
    )
    run_missed_frames: float = rule(
        3,
        unit="frames",
        source="as vanish_frames",
        reason="what has run and is not seen for so many frames has still run when it is seen again",
    )
    tract_reach_mm: float = rule(
        2.0,
        unit="mm",
        source="the needle's shadow is read in steps of a millimetre",
        reason="the same for the needle tract",
    )
    # spread
    edge_mm2: float = rule(0.4, unit="mm2", source="choice", reason="cement this side of the front is taken as a speck")
    speed_window_s: float = rule(
        3.0, unit="s", source="detection stage 7", reason="time over which the front's speed is taken"
    )
    speed_least_s: float = rule(
        1.8,
        unit="s",
        source="detection stage 7: 1-3 s; phantom: the first drop spreads at 2-6 mm/s and slows within two seconds",
        reason="no speed from less time than this",
    )
    speed_error_share: float = rule(
        0.5,
        unit="share of the speed",
        source="phantom: cement that flows together makes the front jump",
        reason="a speed less sure than this predicts nothing",
    )
    least_speed_mm_s: float = rule(
        0.05, unit="mm/s", source="front inside bone 0.03-0.2 mm/s", reason="slower than this is standing still"
    )
    vein_width_mm: float = rule(
        3.5,
        unit="mm",
        source="physics section 7: segmental veins of 1-3 mm",
        reason="a thin tube beside the body is a vein",
    )
    vein_mm_s: float = rule(
        3.0,
        unit="mm/s",
        source="clinical timing: 2 mm vein 3.2-16 mm/s",
        reason="what runs on this fast beside the body runs in a vein",
    )
    vein_least_s: float = rule(
        0.12, unit="s", source="two frames at 15 frames/s", reason="no running is told from less"
    )
    vein_least_mm: float = rule(
        1.0, unit="mm", source="three pixels at 0.3 mm: an outline is no surer", reason="nor from a shorter way"
    )
    gone_share: float = rule(0.3, unit="share of peak area", source="choice", reason="less than this left means gone")
    vanish_seen: float = rule(
        3, unit="frames", source="choice", reason="cement must have been seen this often to vanish"
    )
    vanish_frames: float = rule(3, unit="frames", source="choice", reason="and be gone for so many frames")
    vanish_mm2: float = rule(
        5.0, unit="mm2", source="1 mm vein, 5 mm long", reason="smaller pieces do not vanish, they flicker"
    )
    forget_frames: float = rule(
        150, unit="frames", source="ten seconds at 15 frames/s", reason="a zone empty for so long starts anew"
    )
    volume_factor: float = rule(
        2.0,
        unit="ratio",
        source="phantom, 26 scenes: 0.87 of linear and 0.69 of display frames lie within",
        reason="the volume band reaches from half to twice of what the shape tells",
    )
    nominal_field_mm: float = rule(
        150,
        unit="mm",
        source="physics section 6: a 23 cm intensifier shows 14.4-16 cm at the patient",
        reason="longest side of a picture as ruler when nothing tells the scale",
    )
    nominal_depth_mm: float = rule(
        33, unit="mm", source="physics section 1", reason="depth of a body as ruler when the scale is unknown"
    )
    # alarm: how near, how large, how fast
    broken_wall_factor: float = rule(
        4 / 3,
        unit="factor",
        source="alarm design",
        reason="a wall marked broken moves every distance tier forward by one third",
    )
    contact_mm: float = rule(
        3.0,
        unit="mm",
        source="clinical margin: wall line error adds up to 2-3 mm",
        reason="cement this near the posterior wall counts as touching it",
    )
    contact_share: float = rule(
        0.08, unit="share of body depth", source="alarm design", reason="the same for large bodies"
    )
    soon_s: float = rule(
        5.0,
        unit="s",
        source="clinical timing: alert to action 2.4 s, run-on 1-3 s",
        reason="MEDIUM: predicted to reach the wall within this time",
    )
    least_piece_trust: float = rule(
        0.2, unit="trust 0-1", source="choice", reason="a piece less sure than this claims nothing"
    )
    small_residue_mm2: float = rule(
        20.0,
        unit="mm2",
        source="choice: a 5 mm blob",
        reason="soft tissue or tract cement above this is not small: MEDIUM",
    )
    growing_window_s: float = rule(
        2.0,
        unit="s",
        source="clinical timing: prediction looks 3-5 s ahead",
        reason="time over which growing and fast are judged",
    )
    growing_mm2: float = rule(
        3.0,
        unit="mm2",
        source="choice: twice the least piece",
        reason="cement that gained this much in the window is growing",
    )
    growing_share: float = rule(
        0.2,
        unit="share of area",
        source="choice: noise of the outline",
        reason="and it must have gained this share of itself",
    )
    runoff_mm_s: float = rule(
        5.0,
        unit="mm/s",
        source="clinical timing: 2 mm vein 3.2-16 mm/s",
        reason="a tip this fast is venous run-off: HIGH",
    )
    runoff_mm: float = rule(
        15.0,
        unit="mm",
        source="clinical timing: 15 mm crossed in less than 1 s",
        reason="and it must have gone this far in the window",
    )
    # alarm: N of M judged frames, windows and steps
    urgent_n: int = rule(
        2, unit="frames", source="delay target of two frames", reason="N for cement in canal, foramen and veins"
    )
    urgent_m: int = rule(
        3, unit="frames", source="delay target of two frames", reason="M for cement in canal, foramen and veins"
    )
    leak_n: int = rule(
        3,
        unit="frames",
        source="delay target of five frames at most",
        reason="N for disc, soft tissue, tract and elsewhere",
    )
    leak_m: int = rule(
        5,
        unit="frames",
        source="delay target of five frames at most",
        reason="M for disc, soft tissue, tract and elsewhere",
    )
    run_n: int = rule(
        1,
        unit="frames",
        source="spread has seen it on two frames already",
        reason="N for cement that was seen to run out of the body, wherever to",
    )
    approach_n: int = rule(
        3, unit="frames", source="fronts move 0.03-0.2 mm/s", reason="N for the distance to the posterior wall"
    )
    approach_m: int = rule(
        5, unit="frames", source="fronts move 0.03-0.2 mm/s", reason="M for the distance to the posterior wall"
    )
    vanished_n: int = rule(
        1, unit="frames", source="spread has counted the missing frames already", reason="N for vanished cement"
    )
    vanished_m: int = rule(
        1, unit="frames", source="spread has counted the missing frames already", reason="M for vanished cement"
    )
    technical_n: int = rule(
        8, unit="frames", source="about 1 s at 7.5 frames/s", reason="N for lasting flags of frames"
    )
    technical_m: int = rule(
        10, unit="frames", source="about 1 s at 7.5 frames/s", reason="M for lasting flags of frames"
    )
    unfit_n: int = rule(15, unit="frames", source="2 s at 7.5 frames/s", reason="N for frames that cannot be judged")
    unfit_m: int = rule(20, unit="frames", source="2 s at 7.5 frames/s", reason="M for frames that cannot be judged")
    event_n: int = rule(
        1, unit="frames", source="flagged on a single frame", reason="N and M for a new view and an exposure step"
    )
    leak_end_n: int = rule(
        15, unit="frames", source="2 s at 7.5 frames/s", reason="valid frames in a row without a leak before it ends"
    )
    approach_end_n: int = rule(
        10, unit="frames", source="choice", reason="valid frames in a row without approach before it ends"
    )
    technical_end_n: int = rule(
        8, unit="frames", source="about 1 s at 7.5 frames/s", reason="fit frames in a row without a flag before it ends"
    )
    end_s: float = rule(
        2.0,
        unit="s",
        source="15 frames are half a second at 30 frames/s",
        reason="and those frames must span at least this time",
    )
    valid_s: float = rule(
        3.0,
        unit="s",
        source="the age at which a screen calls a heartbeat old",
        reason="no valid frame for this long makes a condition questionable",
    )
    step_share: float = rule(
        0.5, unit="share of area", source="choice", reason="growth by this share since the last announcement is a step"
    )
    step_mm2: float = rule(
        6.0, unit="mm2", source="choice: four times the least piece", reason="and by at least this much"
    )
    approach_step_share: float = rule(
        0.06,
        unit="share of body depth",
        source="choice: 2 mm of a 33 mm body",
        reason="nearer by this since the last announcement is a step",
    )
    repeat_s: float = rule(
        20.0, unit="s", source="choice", reason="a finding that comes back within this time is the same alert again"
    )
    escalate_s: float = rule(
        30.0,
        unit="s",
        source="choice: ten times the 2.4 s from alert to action; a setting, 0 is never",
        reason="a HIGH alert that sounds this long without being acknowledged is told by a second channel, again after twice as long each time",
    )
    pause_s: float = rule(60.0, unit="s", source="choice", reason="length of a pause that names none")
    pause_most_s: float = rule(120.0, unit="s", source="choice: a level is injected in 80 s", reason="longest pause")
    view_stays_s: float = rule(
        60.0,
        unit="s",
        source="choice: a front of 0.1 mm/s has gone 6 mm by then",
        reason="a view that was looked at this long ago is no longer in use: what it alone shows is blind",
    )


def rules_hash(rules: Rules) -> str:
    """Twelve hex digits that name this set of rules and this algorithm."""
    text = json.dumps([ALGORITHM_VERSION, asdict(rules)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
