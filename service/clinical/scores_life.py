"""Quality of life with bone metastases: QLQ-BM22 by item, by scale, and as the one sum that a paper printed."""

from __future__ import annotations

from collections.abc import Mapping

from service.clinical.instruments import Instrument, Item, Points, Scheme

SCALES: Mapping[str, tuple[range, bool]] = {
    "painful_sites": (range(1, 6), False),
    "pain_characteristics": (range(6, 9), False),
    "functional_interference": (range(9, 17), True),
    "psychosocial_aspects": (range(17, 23), True),
}
"""Items of each scale, and whether a high value is good (a function scale)."""


def scales_of(points: Points) -> dict[str, float | None]:
    """Each scale, 0 to 100: symptom scales high = worse, function scales high = better.

    With at least half of a scale's items answered, their mean stands for the rest (EORTC's rule); else None.
    """
    return {name: _scale(points, items, is_good=is_good) for name, (items, is_good) in SCALES.items()}


def _scale(points: Points, items: range, *, is_good: bool) -> float | None:
    told = [points[f"q{number}"] for number in items if f"q{number}" in points]
    if 2 * len(told) < len(items):
        return None
    share = (sum(told) / len(told) - 1) / 3
    return 100 * (1 - share if is_good else share)


def _label(number: int) -> str:
    scale = next(name for name, (items, _) in SCALES.items() if number in items)
    return f"{scale.replace('_', ' ')}, item {number}"


BM22 = Instrument(
    name="bm22",
    label="EORTC QLQ-BM22",
    worse="high",
    missing="A scale needs half of its items; the raw sum needs all 22.",
    caveat=(
        "Items count as circled, 1 to 4. The linear transformation is EORTC's general one; whether the scoring manual of the "
        "version in use turns single items round has not been checked against the manual."
    ),
    scales=scales_of,
    schemes=(
        Scheme(
            name="raw_sum",
            source="raw sum 22-88, which fits the one total of the Beijing osteoblastic PVP series; scales: EORTC",
            items=tuple(
                Item(key=f"q{number}", label=_label(number), points={n: n for n in range(1, 5)})
                for number in range(1, 23)
            ),
            low=22,
            high=88,
        ),
    ),
)
