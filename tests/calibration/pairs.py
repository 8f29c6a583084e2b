"""One scene with and without a treatment: what got worse, and whether it failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detection.outcome import Outcome

LATER_FRAMES = 5
"""A leak that is told so much later is a harm of its own."""
BLIND_SHARE = 0.1
"""So is so much more of the clear frames that is not judged, or of the covered ones that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One scene, by its name, judged by the whole and without a treatment."""

    name: str
    whole: Outcome
    without: Outcome

    def harms(self) -> Iterator[str]:
        """What got worse, in words."""
        whole, without = self.whole, self.without
        if whole.caught is not None and whole.has_visible_leak and without.caught is None:
            yield "leak lost"
        for word in ("high", "audible"):
            n = len(getattr(without, f"false_{word}")) - len(getattr(whole, f"false_{word}"))
            if n > 0:
                yield f"{n} false {'HIGH' if word == 'high' else word}"
        n_more = len(without.false_alarms) - len(whole.false_alarms)
        if n_more > 0 and len(without.false_audible) <= len(whole.false_audible):
            yield f"{n_more} false LOW"
        if whole.is_zone_right and without.is_zone_right is False:
            yield "zone wrong"
        if whole.delay is not None and without.delay is not None and without.delay - whole.delay >= LATER_FRAMES:
            yield f"{without.delay - whole.delay} frames later"
        if without.n_fit_veiled - whole.n_fit_veiled >= max(1.0, BLIND_SHARE * whole.n_veiled):
            yield f"{without.n_fit_veiled} of {whole.n_veiled} covered frames judged, not {whole.n_fit_veiled}"
        if self.is_blind:
            yield f"{without.n_unfit_clear - whole.n_unfit_clear} of {whole.n_clear} clear frames unfit"
        yield from self._blurs()

    def _blurs(self) -> Iterator[str]:
        """What got worse about pictures: the outline of cement, the distance to the wall."""
        before, after = self.whole.precision, self.without.precision
        if before.dice is not None and before.dice - (after.dice or 0.0) >= 0.05:
            yield f"Dice {before.dice:.2f} to {after.dice or 0.0:.2f}"
        if before.distance_errors_mm and after.distance_errors_mm:
            old, new = (float(np.median(np.abs(each.distance_errors_mm))) for each in (before, after))
            if new - old >= 1.0:
                yield f"distance {old:.1f} to {new:.1f} mm off"

    @property
    def is_harmed(self) -> bool:
        """Whether anything got worse."""
        return any(self.harms())

    @property
    def is_failed(self) -> bool:
        """Whether the scene fails without the treatment: a leak lost, another audible false alarm, or blind for a tenth of it."""
        more = len(self.without.false_audible) > len(self.whole.false_audible)
        lost = self.whole.has_visible_leak and self.whole.caught is not None and self.without.caught is None
        return more or lost or self.is_blind

    @property
    def is_blind(self) -> bool:
        """Whether a tenth more of its clear frames is not judged."""
        return self.without.n_unfit_clear - self.whole.n_unfit_clear >= max(1.0, BLIND_SHARE * self.whole.n_clear)
