"""When frames were made that do not say so themselves, or whose clock stands still.

What has no time of its own counts by its receipt. A network delivers in bursts, and a run that was held up comes all at once:
taken by receipt its cement would rush like contrast agent. So what comes faster than fluoroscopes pulse is spread out at a
usual pace, for as long as that runs ahead of receipt by little; what streams in keeps its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from detection.rules import Rules
from detection.vocabulary import Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The last frame as it was told, the time that it was given, and how far (s) that runs ahead of receipt."""

    told: Stamp
    time_s: float
    ahead_s: float = 0.0

    def stamp(self) -> Stamp:
        """The last frame's stamp at the time that it was given."""
        return self.told if self.time_s == self.told.time_s else replace(self.told, time_s=self.time_s)


def paced(told: Stamp, before: Pace | None, rules: Rules) -> Pace:
    """The time of a frame that comes after others; its own, where it has one that goes on."""
    if before is None:
        return Pace(told=told, time_s=told.time_s)
    if _is_of_one_run(told, before.told):
        # what ran ahead stays ahead until the run ends
        step_s = told.time_s - before.told.time_s
        return Pace(told=told, time_s=before.time_s + step_s, ahead_s=before.ahead_s + step_s)
    if not _is_untimed(told, before):
        return Pace(told=told, time_s=told.time_s)
    waited_s = max(0.0, told.received_at - before.told.received_at)
    step_s = _step(waited_s, before.ahead_s, told.period_s or rules.usual_period_s, rules)
    return Pace(told=told, time_s=before.time_s + step_s, ahead_s=before.ahead_s + step_s - waited_s)


def _step(waited_s: float, ahead_s: float, usual_s: float, rules: Rules) -> float:
    """Seconds to the next frame: what was waited for it, unless it comes faster than beams pulse."""
    if waited_s < rules.least_period_s:
        return max(rules.least_period_s, min(usual_s, waited_s - ahead_s + rules.most_ahead_s))
    # only what is more than a usual wait brings back to the time of receipt: nothing must be hurried for it
    return max(min(waited_s, usual_s), waited_s - ahead_s)


def _is_of_one_run(told: Stamp, before: Stamp) -> bool:
    """Whether both are of one object that tells no time, so that only the way between them is known."""
    is_same = told.sop_instance_uid == before.sop_instance_uid and told.arrival == before.arrival
    return is_same and told.acquired_at is None and told.time_s >= before.time_s


def _is_untimed(told: Stamp, before: Pace) -> bool:
    """Whether nothing but receipt says when a frame was made, or its clock has not gone on since the one before.

    A clock that is set back is believed: what follows is another run.
    """
    if told.sop_instance_uid == before.told.sop_instance_uid:
        return False
    if told.acquired_at is None or before.told.acquired_at is None:
        return told.acquired_at is before.told.acquired_at
    return before.told.time_s <= told.time_s <= before.time_s
