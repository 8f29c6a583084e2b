"""What a patient can do: Oswestry, Karnofsky, Barthel, and the ASIA letter with the direction of its change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.clinical.instruments import Band, ImpossibleAnswer, Instrument, Item, Points, Scheme

_ODI_LABELS = "pain,personal care,lifting,walking,sitting,standing,sleeping,sex life,social life,travelling".split(",")
_ODI_ITEMS = tuple(
    Item(key=f"s{number}", label=label, points={n: n for n in range(6)})
    for number, label in enumerate(_ODI_LABELS, start=1)
)


def _percent_of_answered(points: Points, _scheme: Scheme) -> float | None:
    """100 * sum / (5 * sections answered); None when no section is."""
    return 100.0 * sum(points.values()) / (5 * len(points)) if points else None


ODI = Instrument(
    name="odi",
    label="Oswestry disability index",
    worse="high",
    missing="A section without an answer lowers the denominator by 5; without any section there is no value.",
    total=_percent_of_answered,
    caveat="Value in percent. The Zhengzhou PVP series prints the formula without the factor 100.",
    schemes=(
        Scheme(
            name="fairbank_2000",
            source="Fairbank and Pynsent, Spine 2000;25:2940; a value between two bands belongs to the upper one",
            items=_ODI_ITEMS,
            low=0,
            high=100,
            bands=(
                Band(name="minimal", low=0, high=20),
                Band(name="moderate", low=20, high=40),
                Band(name="severe", low=40, high=60),
                Band(name="crippled", low=60, high=80),
                Band(name="bed-bound or exaggerating", low=80, high=100),
            ),
        ),
    ),
)

KPS = Instrument(
    name="kps",
    label="Karnofsky performance status",
    worse="low",
    missing="No answer, no value.",
    caveat="The Shanghai PVP+ITR study uses it as function and as quality of life.",
    schemes=(
        Scheme(
            name="karnofsky",
            source="Karnofsky 1948, in tens; the three classes of Karnofsky's own table",
            items=(Item(key="kps", label="performance, in tens", points={n: n for n in range(0, 101, 10)}),),
            low=0,
            high=100,
            bands=(
                Band(name="unable to care for self", low=0, high=40),
                Band(name="unable to work", low=50, high=70),
                Band(name="normal activity", low=80, high=100),
            ),
        ),
    ),
)

_BARTHEL = {
    "feeding": 10,
    "bathing": 5,
    "grooming": 5,
    "dressing": 10,
    "bowels": 10,
    "bladder": 10,
    "toilet": 10,
    "transfer": 15,
    "mobility": 15,
    "stairs": 10,
}

BARTHEL = Instrument(
    name="barthel",
    label="Barthel index",
    worse="low",
    missing="All ten items are needed; no rule for a missing one is published.",
    caveat="The Hebei PPSF+PVP series prints no item table; the ten-item version with steps of 5 is used.",
    schemes=(
        Scheme(
            name="mahoney_1965",
            source="Mahoney and Barthel 1965; bands of Shah 1989",
            items=tuple(
                Item(key=key, label=key, points={n: n for n in range(0, most + 1, 5)}) for key, most in _BARTHEL.items()
            ),
            low=0,
            high=100,
            bands=(
                Band(name="total dependence", low=0, high=20),
                Band(name="severe dependence", low=21, high=60),
                Band(name="moderate dependence", low=61, high=90),
                Band(name="slight dependence", low=91, high=99),
                Band(name="independent", low=100, high=100),
            ),
        ),
    ),
)

ASIA_GRADES = ("A", "B", "C", "D", "E")
"""From complete (A) to normal (E). Recovery runs towards E."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How an ASIA letter changed. ``grades`` counts towards E: a plus is recovery, whatever a paper calls its sign."""

    before: str
    after: str
    grades: int
    direction: Literal["improved", "unchanged", "worse"]


def asia_change(before: str, after: str) -> Recovery:
    """The direction between two ASIA letters; raises ImpossibleAnswer for anything but A to E."""
    for name, grade in (("before", before), ("after", after)):
        if grade not in ASIA_GRADES:
            raise ImpossibleAnswer(name, f"expected one of {', '.join(ASIA_GRADES)}")
    grades = ASIA_GRADES.index(after) - ASIA_GRADES.index(before)
    return Recovery(
        before=before,
        after=after,
        grades=grades,
        direction="unchanged" if grades == 0 else "improved" if grades > 0 else "worse",
    )
