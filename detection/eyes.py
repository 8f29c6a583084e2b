"""What each view of each source has seen of one concern, and which of them speaks for all.

An *eye* is one view of one source: the lateral plane of a biplane unit, or a C-arm while it stands in AP. Each eye counts its own
looks, for what it can show, how large that is in its projection and what its own frames say no other knows. A leak is there while any eye
shows it; an eye that cannot show a place has no say in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from detection.claims import Claim
from detection.priorities import Pace
from detection.sightings import Rank, Sightings, priority_of
from detection.vocabulary import Condition, Seen, Side, View, Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the operator has been told of what one eye sees; growth is measured against it."""

    size_mm2: float = 0.0
    share: float | None = None
    sides: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Eye:
    """One view of one source, as one concern knows it.

    ``has_shown``: it has shown it for long enough since the concern arose. ``claim`` is its latest sighting, at this ``pace``.
    ``valid_at`` is when it last had a say by our clock, ``valid_time_s`` by its frames'.
    """

    source: str
    view: View = View.UNKNOWN
    condition: Condition = Condition.ABSENT
    sightings: Sightings = field(default_factory=Sightings)
    rank: Rank = (0, 0)
    told: Told = field(default_factory=Told)
    has_shown: bool = False
    claim: Claim | None = None
    pace: Pace = Pace.STILL
    first_frame: Seen | None = None
    last_frame: Seen | None = None
    valid_at: float | None = None
    valid_time_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it shows it now."""
        return self.condition is Condition.PRESENT

    def is_fresh(self, at: float, valid_s: float) -> bool:
        """Whether it had a say within ``valid_s`` before ``at``, by our clock."""
        return self.valid_at is not None and at - self.valid_at <= valid_s


def eye_at(eyes: Sequence[Eye], source: str, view: View) -> Eye:
    """The eye of this view of a source: a blank one if it is new, and the one of its unknown view once that view has a name."""
    known = {(each.source, each.view): each for each in eyes}
    own, nameless = known.get((source, view)), known.get((source, View.UNKNOWN))
    if nameless is not None and nameless.condition is not Condition.ABSENT and (own is None or not own.is_open):
        return replace(nameless, view=view)
    return own or Eye(source=source, view=view)


def with_eye(eyes: Sequence[Eye], eye: Eye) -> tuple[Eye, ...]:
    """The eyes with this one in its place, or after them: who looked first stays first. A view with a name takes over the unknown one."""
    known = {(each.source, each.view): each for each in eyes}
    nameless = known.get((eye.source, View.UNKNOWN))
    if nameless is not None and nameless.condition is not Condition.ABSENT and eye.view is not View.UNKNOWN:
        del known[eye.source, View.UNKNOWN]
    return tuple({**known, (eye.source, eye.view): eye}.values())


def worst_condition(eyes: Sequence[Eye]) -> Condition:
    """The condition of a concern: present while any eye shows it."""
    order = tuple(Condition)
    return max((eye.condition for eye in eyes), key=order.index, default=Condition.ABSENT)


def spokesman(eyes: Sequence[Eye], at: float, valid_s: float) -> Eye | None:
    """The eye that an alert shows: of those that show it now and still look, the worst; of equals the one that saw it first."""
    showing = [eye for eye in eyes if eye.is_open and eye.claim is not None]
    looking = [eye for eye in showing if eye.is_fresh(at, valid_s)] or showing
    return max(looking, key=lambda eye: eye.rank, default=None)


def witnesses_of(eyes: Sequence[Eye], before: Sequence[Witness]) -> tuple[Witness, ...]:
    """The eyes that have shown it to the operator, for the alert; one that has not looked since it was resumed says what it said."""
    said = {(each.source, each.view): each for each in before}
    return tuple(_witness(eye, said.get((eye.source, eye.view))) for eye in eyes if eye.has_shown)


def _witness(eye: Eye, before: Witness | None) -> Witness:
    says = eye.claim or before
    return Witness(
        source=eye.source,
        view=eye.view,
        condition=Condition.PRESENT if eye.is_open else Condition.ABSENT,
        priority=priority_of(eye.rank),
        side=says.side if says else None,
        area_mm2=says.area_mm2 if says else None,
        length_mm=says.length_mm if says else None,
        trust=says.trust if says else None,
        first_frame=eye.first_frame,
        last_frame=eye.last_frame,
    )


def settled_down(eye: Eye) -> Eye:
    """An eye that shows nothing any more: what it showed stays known, what it counted begins anew."""
    first_frame = eye.first_frame if eye.has_shown else None
    return replace(eye, sightings=Sightings(), first_frame=first_frame)
