"""The sentences of alerts: where, what, how far and how fast. Never what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

from detection.claims import Claim
from detection.priorities import Pace, Tier
from detection.vocabulary import Front, Interval, Kind, Side, TechnicalCause, View, Wall, Zone

PLACES: Mapping[Zone, str] = {
    Zone.BODY: "in the vertebral body",
    Zone.POSTERIOR_BAND: "in the posterior band",
    Zone.CANAL: "in the spinal canal",
    Zone.FORAMEN: "in the foramen",
    Zone.VEIN: "in a vein",
    Zone.DISC: "in the disc",
    Zone.SOFT_TISSUE: "in the soft tissue",
    Zone.NEEDLE_TRACT: "along the needle",
    Zone.ELSEWHERE: "in a place that has no name",
}

SIDES: Mapping[Side, str] = {
    Side.SUPERIOR: "superior",
    Side.INFERIOR: "inferior",
    Side.ANTERIOR: "anterior",
    Side.POSTERIOR: "posterior",
    Side.IMAGE_LEFT: "image left",
    Side.IMAGE_RIGHT: "image right",
}

VIEWS: Mapping[View, str] = {
    View.LATERAL: "lateral view",
    View.AP: "AP view",
    View.OBLIQUE: "oblique view",
    View.UNKNOWN: "view unknown",
}

SIDELESS = frozenset({Zone.CANAL, Zone.FORAMEN})
"""Their names say on which side of the body they lie."""

PACES: Mapping[Pace, str] = {Pace.STILL: "", Pace.GROWING: "growing", Pace.FAST: "running off fast"}

TECHNICAL: Mapping[TechnicalCause, str] = {
    TechnicalCause.NO_FRAMES: "No frames are arriving.",
    TechnicalCause.ANALYSIS_LATE: "Analysis is late: the newest frame is not judged yet.",
    TechnicalCause.ANALYSIS_STOPPED: "Analysis has stopped: frames are not judged.",
    TechnicalCause.DECODER_FAILURE: "Frames cannot be decoded.",
    TechnicalCause.FRAMES_UNFIT: "Frames cannot be judged.",
    TechnicalCause.VIEW_UNKNOWN: "View not recognised: zones are off.",
    TechnicalCause.BODY_NOT_FOUND: "Vertebral body not found: zones are off.",
    TechnicalCause.BODY_UNCERTAIN: "Vertebral body uncertain: only cement well outside it and long thin casts are judged. Landmarks help.",
    TechnicalCause.FIELD_COLLIMATED: "A watched zone lies outside the field.",
    TechnicalCause.SCALE_UNKNOWN: "Pixel scale unknown: distances in pixels only.",
    TechnicalCause.POLARITY_UNCERTAIN: "It is not sure whether dense material is dark or bright.",
    TechnicalCause.MOTION_NOT_TRUSTED: "Motion is not trusted: frames cannot be compared.",
    TechnicalCause.EXPOSURE_STEP: "The exposure has changed in a step.",
    TechnicalCause.VIEW_CHANGED: "The view has changed.",
    TechnicalCause.CONTRAST_AGENT: "Contrast agent recognised: it can hide cement.",
    TechnicalCause.BORDER_OBJECT: "Something reaches in from the border: it can hide cement.",
    TechnicalCause.BALLOON: "It looks like a balloon. Until it deflates it counts as cement.",
    TechnicalCause.BALLOON_GONE: "What looked like a balloon has deflated: only what is left counts as cement.",
    TechnicalCause.DISK_FILLING: "The disk is filling.",
    TechnicalCause.FORWARD_QUEUE: "The forward queue is growing.",
    TechnicalCause.JOURNAL_FAILING: "The journal cannot be written: alerts are not logged.",
}


def also(claim: Claim) -> str:
    """What another view shows of the same leak."""
    side = SIDES[claim.side] if claim.side is not None and claim.zone not in SIDELESS else ""
    said = ", ".join(word for word in (side, "" if claim.kind is Kind.APPROACH else _size(claim)) if word)
    return f"Also in the {VIEWS[claim.view]}: {said}." if said else f"Also in the {VIEWS[claim.view]}."


def over(claim: Claim) -> str:
    """What another view shows of a leak over a place where the leak is not."""
    return f"Over {place_in_view(claim)}: {_size(claim)}."


def place_in_view(claim: Claim) -> str:
    """A place and the view that shows it."""
    return f"{_place(claim).removeprefix('in ')}, in the {VIEWS[claim.view]}"


def sentence(claim: Claim, *, pace: Pace, level: str | None) -> str:
    """The message of one alert, as the latest evidence of one view has it."""
    if claim.technical_cause is not None:
        return TECHNICAL[claim.technical_cause]
    where = ", ".join(word for word in (level, VIEWS[claim.view]) if word)
    if claim.kind is Kind.APPROACH:
        return _approach(claim, where)
    if claim.kind is Kind.VANISHED:
        return f"Cement seen {_likely(claim)} is gone, {where}: {_size(claim)} before. It may have been carried away."
    manner = ", ".join(word for word in (_size(claim), _length(claim), PACES[pace]) if word)
    return f"Cement {_likely(claim)}, {where}: {manner}."


def _likely(claim: Claim) -> str:
    """Where, and whether that is only the likeliest place."""
    if not claim.has_body and claim.zone is Zone.VEIN:
        return f"probably {_place(claim)} (body not found)"
    return _place(claim) if claim.is_body_sure else f"probably {_place(claim)} (body outline uncertain)"


def _place(claim: Claim) -> str:
    """Where, with the side unless the zone's name says it."""
    place = PLACES[claim.zone] if claim.zone is not None else PLACES[Zone.ELSEWHERE]
    if claim.side is None or claim.zone in SIDELESS:
        return place
    return f"{place}, {SIDES[claim.side]}"


def _size(claim: Claim) -> str:
    if claim.area_mm2 is not None:
        return f"{claim.area_mm2:.0f} mm²" if claim.area_mm2 >= 1 else "less than 1 mm²"
    return "size not known" if claim.area_px is None else f"{claim.area_px:.0f} pixels (scale unknown)"


def _length(claim: Claim) -> str:
    is_long = claim.zone is Zone.VEIN and claim.length_mm is not None
    return f"{claim.length_mm:.0f} mm long" if is_long else ""


def _approach(claim: Claim, where: str) -> str:
    tail = " Wall marked broken." if claim.wall is Wall.BROKEN else ""
    if claim.front is None:
        return f"Cement {PLACES[Zone.POSTERIOR_BAND]}, {where}, distance not known.{tail}"
    speed = _speed(claim.front)
    if claim.tier is Tier.CONTACT:
        left = f"{_distance(claim.front)} left" if claim.front.share > 0 else "front past the wall line"
        return f"Cement at the posterior wall, {where}: {', '.join(filter(None, (left, speed)))}.{tail}"
    head = f"Cement {_distance(claim.front)} from the posterior wall, {where}"
    return f"{head}: {speed}.{tail}" if speed else f"{head}.{tail}"


def _distance(front: Front) -> str:
    if front.distance_mm is not None:
        return f"{front.distance_mm:.1f} mm"
    return f"{front.distance_px:.0f} pixels ({front.share:.0%} of the body depth, scale unknown)"


def _speed(front: Front) -> str:
    """How fast and how long, as far as both are known; a front that stands or retreats has no arrival."""
    speed = f"{front.speed_mm_s:.1f} mm/s" if front.speed_mm_s is not None and front.speed_mm_s >= 0.05 else ""
    arrival = _arrival(front.seconds_to_wall) if front.seconds_to_wall is not None and front.share > 0 else ""
    return ", ".join(filter(None, (speed, arrival)))


def _arrival(seconds: Interval) -> str:
    return f"about {seconds.value:.0f} s ({seconds.low:.0f}-{seconds.high:.0f}) to the wall"
