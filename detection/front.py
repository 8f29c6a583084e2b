"""Where the front of the cement stands, how fast it nears the posterior wall, and whether it has gone through."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.memory import Scene
from detection.patches import NOWHERE, patch_of
from detection.rules import Rules
from detection.vocabulary import ZONE_ORDER, Front, Interval, Mask, Zone

HELD = (Zone.BODY, Zone.POSTERIOR_BAND)
"""Where cement may be: it makes no piece, the front says how far it is."""


def front_of(
    cement: Mask, scene: Scene, time_s: float, rules: Rules
) -> tuple[Front | None, tuple[tuple[float, float], ...]]:
    """The cement edge nearest to the wall, robust against specks, and its history of (time, distance px)."""
    region = scene.region
    if region is None or region.to_wall is None:
        return None, ()
    patch = patch_of(cement) or NOWHERE
    within = cement[patch]
    is_known = np.zeros(len(ZONE_ORDER), np.bool_)
    is_known[[ZONE_ORDER.index(zone) for zone in (*HELD, Zone.CANAL, Zone.FORAMEN)]] = True
    distances = region.to_wall[patch][within][is_known[region.intact.zones[patch][within]]]
    n_edge = max(3, round(rules.edge_mm2 * scene.px_per_mm**2))
    if distances.size < 2 * n_edge:
        return None, scene.front
    nearest = float(np.partition(distances, n_edge)[n_edge])
    history = tuple((t, d) for t, d in scene.front if time_s - rules.speed_window_s <= t < time_s)
    history = (*history, (time_s, nearest))
    speed, error = _slope(history, rules)
    mm = scene.px_per_mm if scene.is_scale_known else None
    front = Front(
        distance_px=nearest * scene.factor,
        share=nearest / region.depth_px,
        distance_mm=nearest / mm if mm else None,
        depth_mm=region.depth_px / mm if mm else None,
        speed_mm_s=speed / mm if mm and speed is not None else None,
        seconds_to_wall=_arrival(nearest, speed, error, scene.px_per_mm, rules),
    )
    return front, history


def is_breached_by(history: tuple[tuple[float, float], ...], scene: Scene, rules: Rules) -> bool:
    """Whether cement was seen to run through the posterior wall: past its line by a rush, and not back since.

    The line is uncertain by a millimetre, so where the front stands says little; but contained cement creeps
    and is stopped by the wall, and what crosses the line in a rush is not contained.
    """
    if not history:
        return False
    time_s, place = history[-1]
    if scene.is_breached:
        return place < rules.breach_mm * scene.px_per_mm
    before = max((d for t, d in history if t >= time_s - rules.breach_window_s), default=place)
    return place < 0.0 and before - place >= rules.breach_mm * scene.px_per_mm


def _slope(history: tuple[tuple[float, float], ...], rules: Rules) -> tuple[float | None, float]:
    """Approach speed in px/s, positive toward the wall, and its spread.

    The first drop spreads fast and slows: where the newer half of the time is slower, it counts.
    """
    times = np.array([t for t, _ in history])
    places = np.array([d for _, d in history])
    over_s = times[-1] - times[0]
    if times.size < 4 or over_s < rules.speed_least_s or np.diff(times).max() > over_s / 2:
        return None, 0.0
    speed, error = _theil_sen(times, places)
    newer = times >= (times[0] + times[-1]) / 2
    if np.count_nonzero(newer) >= 4:
        speed = min(speed, _theil_sen(times[newer], places[newer])[0])
    return speed, error


def _theil_sen(times: NDArray[np.float64], places: NDArray[np.float64]) -> tuple[float, float]:
    """Robust slope of places over times, positive where they fall, with its spread (Theil 1950, Sen 1968)."""
    apart = times - times[:, None]
    far = apart > 0.3 * (times[-1] - times[0])
    slopes = np.sort((places - places[:, None])[far] / apart[far])
    low, middle, high = (_percentile(slopes, share) for share in (0.16, 0.5, 0.84))
    return -middle, max(high - low, 1e-6) / 2


def _percentile(ordered: NDArray[np.float64], share: float) -> float:
    """As ``np.percentile`` has it, of values (n,) in order: a tenth of the time where they are few."""
    place = share * (ordered.size - 1)
    before = int(place)
    low, high = float(ordered[before]), float(ordered[min(before + 1, ordered.size - 1)])
    rest = place - before
    return low + (high - low) * rest if rest < 0.5 else high - (high - low) * (1.0 - rest)


def _arrival(distance: float, speed: float | None, error: float, px_per_mm: float, rules: Rules) -> Interval | None:
    if speed is None or speed < rules.least_speed_mm_s * px_per_mm or distance <= 0:
        return None
    if error > rules.speed_error_share * speed:
        return None  # a front that jumps has no speed to go by
    slow = max(speed - error, rules.least_speed_mm_s * px_per_mm)
    return Interval(value=distance / speed, low=distance / (speed + error), high=distance / slow)
