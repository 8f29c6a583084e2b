"""What the views of one procedure show together: each view's blind zones, and what none of those in use can show."""

from __future__ import annotations

from collections.abc import Iterable

from detection.rules import Rules
from detection.vocabulary import Findings, Flag, Glance, Sight
from detection.zones import EVERY


def glanced(glances: tuple[Glance, ...], source: str, findings: Findings) -> tuple[Glance, ...]:
    """The last glance of each view after one frame more of ``source``; a frame that could not be judged is none."""
    is_glance = findings.is_fit and not {Flag.DUPLICATE, Flag.REFERENCE_BUILDING} & findings.flags
    if not is_glance or not findings.zones_watched:
        return glances
    shown = tuple(zone for zone in findings.zones_watched if zone not in findings.zones_not_visible)
    new = Glance(source=source, view=findings.view, at=findings.stamp.received_at, zones_shown=shown)
    before = next((each for each in glances if (each.source, each.view) == (source, new.view)), None)
    if before is not None and before.at > new.at:
        return glances  # it was passed over when it came, and is no news
    return (*(each for each in glances if each is not before), new)


def sight_of(glances: Iterable[Glance], now: float, rules: Rules) -> Sight:
    """What all views of one procedure show together. A view in use was looked at within ``view_stays_s``; what it shows, it showed then."""
    newest_first = tuple(sorted(glances, key=lambda each: (-each.at, each.source, each.view)))
    shown = {zone for each in newest_first if now - each.at <= rules.view_stays_s for zone in each.zones_shown}
    return Sight(glances=newest_first, zones_blind=tuple(zone for zone in EVERY if zone not in shown))
