"""What became of one scene: what was true, what was told, and how well both agree.

Two truths are kept apart: what is visible in projection (contrast-to-noise above 3 over the cast) and what has leaked in
three dimensions. People find 34 % of leaks that CT proves in the lateral view (Schmidt 2005).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from detection.priorities import HIGH, MEDIUM
from detection.vocabulary import Kind, Priority, View, Zone

FAMILY: Mapping[Zone, Zone] = {zone: Zone.CANAL if zone is Zone.FORAMEN else zone for zone in Zone}
"""Canal and foramen are counted as one zone: the sides of the wall line are half a body apart, and both are HIGH."""
LARGE_ML, LARGE_MM = 0.02, (2.0, 10.0)
"""A spinal leak at least this large, in volume or in width and length, is one that must not be missed."""


class Patient(StrEnum):
    """Whose body it is."""

    DRAWN = "phantom"
    SCANNED = "real CT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """A frame: its index, its time, and how many frames had been judged by then, itself included."""

    index: int
    time_s: float
    n_judged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One time an alert was raised or worsened, and whether what it told was so.

    ``is_first`` when it was raised. ``told_as`` is its priority then, ``priority`` the worst and ``peak_mm2`` the largest
    that became of the alert.
    """

    alert: str
    at: Instant
    kind: Kind
    zone: Zone | None
    priority: Priority
    is_first: bool
    is_true: bool
    trust: float
    peak_mm2: float
    told_as: Priority | None = None

    @property
    def did_sound(self) -> bool:
        """Whether anybody could hear it: LOW is silent."""
        return (self.told_as or self.priority) in (HIGH, MEDIUM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Cement came to the posterior wall: how fast over the last seconds, and how long before it an alarm sounded."""

    at_s: float
    speed_mm_s: float
    lead_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Which scene, and what makes it hard. ``is_control``: nothing in it deserves an alarm."""

    scene: str
    seed: int
    landmarks: str
    patient: Patient
    view: View
    level: str
    dose: str
    cement: str
    confounders: frozenset[str]
    is_control: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """What truly leaked: into which zones, how much, when, and how large its shadow grew (width and length, mm)."""

    zones: frozenset[Zone] = frozenset()
    ml: float = 0.0
    width_mm: float = 0.0
    length_mm: float = 0.0
    onset: Instant | None = None
    onset_3d: Instant | None = None

    @property
    def is_large(self) -> bool:
        """Whether nobody would call it negligible."""
        return self.ml >= LARGE_ML or (self.width_mm >= LARGE_MM[0] and self.length_mm >= LARGE_MM[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """How well pictures were measured; None or empty where the scene did not ask.

    ``distance_errors_mm`` found minus true; ``volume_error`` (found - true) / true at the end; corners only where found.
    """

    dice: float | None = None
    boundary_mm: float | None = None
    distance_errors_mm: tuple[float, ...] = ()
    volume_error: float | None = None
    is_volume_in_band: bool | None = None
    corner_errors_mm: tuple[float, ...] | None = None
    ms_median: float = 0.0
    ms_p99: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one scene with one kind of landmarks.

    ``n_unfit_clear`` frames were refused although nothing stood in the way, ``n_fit_veiled`` were judged although
    something did; of ``n_clear`` and ``n_veiled``. ``n_technical`` audible technical alarms.
    """

    about: About
    n_frames: int
    seconds: float
    leakage: Leakage
    tellings: tuple[Telling, ...]
    precision: Precision
    contacts: tuple[Contact, ...] = ()
    n_clear: int = 0
    n_unfit_clear: int = 0
    n_veiled: int = 0
    n_fit_veiled: int = 0
    n_technical: int = 0

    @property
    def has_visible_leak(self) -> bool:
        """Whether a leak can be seen in projection."""
        return self.leakage.onset is not None

    @property
    def noticed(self) -> tuple[Telling, ...]:
        """The tellings of a leak that were so, silent ones too."""
        return tuple(each for each in self.tellings if each.kind is not Kind.APPROACH and each.is_true)

    @property
    def caught(self) -> Telling | None:
        """The first telling of a leak that was so and sounded."""
        return next((each for each in self.noticed if each.did_sound), None)

    @property
    def delay(self) -> int | None:
        """Judged frames from visible onset to the telling; negative when the telling came first."""
        if self.leakage.onset is None or self.caught is None:
            return None
        return self.caught.at.n_judged - self.leakage.onset.n_judged

    @property
    def delay_s(self) -> float | None:
        """Seconds from visible onset to the telling."""
        if self.leakage.onset is None or self.caught is None:
            return None
        return self.caught.at.time_s - self.leakage.onset.time_s

    @property
    def is_zone_right(self) -> bool | None:
        """Whether the first true telling names the true zone, canal and foramen counted as one."""
        if self.caught is None or self.caught.zone is None:
            return None
        return FAMILY[self.caught.zone] in {FAMILY[zone] for zone in self.leakage.zones}

    @property
    def false_alarms(self) -> tuple[Telling, ...]:
        """Alerts about cement that were raised without reason."""
        return tuple(each for each in self.tellings if each.is_first and not each.is_true)

    @property
    def false_high(self) -> tuple[Telling, ...]:
        """False alarms of HIGH priority."""
        return tuple(each for each in self.false_alarms if each.priority is HIGH)

    @property
    def false_audible(self) -> tuple[Telling, ...]:
        """False alarms that sound: HIGH and MEDIUM."""
        return tuple(each for each in self.false_alarms if each.priority in (HIGH, MEDIUM))

    @property
    def false_soundings(self) -> tuple[Telling, ...]:
        """Every time that an alarm sounded without reason: a false alarm that grows sounds again."""
        return tuple(each for each in self.tellings if each.did_sound and not each.is_true)

    @property
    def false_spinal(self) -> tuple[Telling, ...]:
        """Alarms of a leak into canal or foramen, raised where no such leak is: beside another leak or nowhere."""
        spinal = Zone.CANAL in {FAMILY[zone] for zone in self.leakage.zones}
        named = (each for each in self.tellings if each.is_first and each.zone and FAMILY[each.zone] is Zone.CANAL)
        return tuple(each for each in named if not (spinal and each.is_true))

    @property
    def is_failed(self) -> bool:
        """A visible leak that was not told of, or an audible alarm without reason."""
        return (self.has_visible_leak and self.caught is None) or bool(self.false_audible)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A frame worth looking at, drawn as JPEG in base64: a ``hit``, a ``miss`` or a ``false`` alarm."""

    kind: str
    caption: str
    jpeg: str = field(repr=False)
