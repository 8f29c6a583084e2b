"""May this frame be judged? One table of flags; the rest of the module fills it in."""

from __future__ import annotations

import cv2
import numpy as np

from detection.memory import Scene
from detection.pixels import Calm
from detection.rules import Rules
from detection.vocabulary import ZONE_ORDER, Flag, Mask, Zone

UNFIT: dict[Flag, str] = {
    Flag.NO_FIELD: "next to no open field",
    Flag.TOO_DARK: "no light reached the detector",
    Flag.SATURATED: "the picture is burnt out",
    Flag.NO_DETAIL: "a flat picture without detail",
    Flag.BIG_OBJECT: "a large new object covers the border: a hand or the collimator",
    Flag.MOTION_NOT_TRUSTED: "the motion against the reference cannot be trusted",
    Flag.SUBTRACTED: "already subtracted: bone is missing",
    Flag.DUPLICATE: "the same picture again",
}
"""Flags that make a frame unfit, and why. Every other flag is a caution that travels with the findings."""


def is_fit(flags: frozenset[Flag]) -> bool:
    """Whether a frame with these flags may be judged."""
    return not flags & UNFIT.keys()


def picture_flags(calm: Calm, ceiling: float, values_mean: float, rules: Rules) -> frozenset[Flag]:
    """What the picture by itself says against being judged."""
    flags = set(calm.flags)
    if values_mean <= rules.black_share * ceiling:
        flags.add(Flag.TOO_DARK)
    if values_mean >= rules.burnt_share * ceiling:
        flags.add(Flag.SATURATED)
    n_open = int(np.count_nonzero(calm.field))
    if n_open / calm.field.size < rules.least_field:
        flags.add(Flag.NO_FIELD)
    elif (
        float(cv2.meanStdDev(calm.attenuation[::7], mask=calm.field[::7].view(np.uint8))[1][0, 0]) < rules.least_spread
    ):
        flags.add(Flag.NO_DETAIL)
    return frozenset(flags)


def hidden_zones(scene: Scene, field: Mask, rules: Rules) -> tuple[Zone, ...]:
    """Watched zones of which too much lies outside the open field."""
    if scene.region is None:
        return ()
    zones = scene.region.intact.zones
    shut = np.bincount(zones[~field], minlength=len(ZONE_ORDER))
    inside = {zone: index for index, zone in enumerate(ZONE_ORDER)}
    return tuple(
        zone
        for zone in scene.region.watched
        if shut[inside[zone]] and shut[inside[zone]] > rules.collimated_share * np.count_nonzero(zones == inside[zone])
    )
