"""Which frames of a scene are worth a picture: the moment of a hit, the best sight of a missed leak, each false alarm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from detection.montage import exhibit
from detection.outcome import Exhibit, Outcome, Telling
from detection.tally import Look
from detection.vocabulary import EntryType, Frame, Kind

MOST_FALSE = 3
"""False alarms shown of one scene."""


@dataclass(slots=True, kw_only=True)
class Gallery:
    """Frames set aside while a scene plays."""

    told: dict[int, tuple[Frame, Look]] = field(default_factory=dict)
    best: tuple[Frame, Look] | None = None

    def hang(self, frame: Frame, look: Look) -> None:
        """Set a frame aside if something is told on it, or if the leak was never seen better."""
        raised = (EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED)
        if any(c.type in raised and c.alert.kind is not Kind.TECHNICAL for c in look.changes):
            self.told[look.index] = frame, look
        if look.truth.leak_visible and (self.best is None or look.truth.cnr > self.best[1].truth.cnr):
            self.best = frame, look

    def exhibits(self, outcome: Outcome) -> Iterator[Exhibit]:
        """The pictures of a scene that ended so; of what was set aside."""
        about = outcome.about
        title = f"{about.scene}:{about.seed}:{about.landmarks}"
        caught = outcome.caught
        if caught is not None and outcome.has_visible_leak and caught.at.index in self.told:
            yield self._drawn(
                "hit", f"{title}\n{_words(caught)}, {outcome.delay:+d} frames", self.told[caught.at.index]
            )
        elif caught is None and outcome.has_visible_leak and self.best is not None:
            zones = ", ".join(sorted(outcome.leakage.zones))
            yield self._drawn("miss", f"{title}\nmissed: {zones}, {about.level}", self.best)
        for each in [each for each in outcome.false_audible if each.at.index in self.told][:MOST_FALSE]:
            yield self._drawn("false", f"{title}\n{_words(each)} at {each.at.time_s:.1f} s", self.told[each.at.index])

    @staticmethod
    def _drawn(kind: str, caption: str, held: tuple[Frame, Look]) -> Exhibit:
        frame, look = held
        return exhibit(kind, caption, frame, (look.findings, look.truth))


def _words(telling: Telling) -> str:
    return f"{telling.priority} {telling.kind} {telling.zone or ''}".rstrip()
