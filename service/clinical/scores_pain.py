"""Pain on a scale from 0 to 10, and the classes that different papers make of it."""

from __future__ import annotations

from service.clinical.instruments import Band, Instrument, Item, Scheme

_PAIN = (Item(key="vas", label="pain, 0 none to 10 worst", within=(0, 10)),)


def _whole(name: str, low: int, high: int) -> tuple[Band, ...]:
    """Whole numbers only: these classes say nothing about fractions."""
    return tuple(Band(name=name, low=number, high=number) for number in range(low, high + 1))


VAS = Instrument(
    name="vas",
    label="Pain, visual analogue or numerical scale",
    worse="high",
    missing="No answer, no value.",
    caveat="Class limits differ between papers: the number is stored, a class always names its scheme.",
    schemes=(
        Scheme(
            name="chow_2016",
            source="Chow 2016 as used by the Beijing osteoblastic PVP series: 1-4, 5-8, 9-10; 0 and fractions unclassified",
            items=_PAIN,
            low=0,
            high=10,
            bands=(*_whole("mild", 1, 4), *_whole("moderate", 5, 8), *_whole("severe", 9, 10)),
        ),
        Scheme(
            name="mcdonald_2016",
            source="McDonald 2016: 1-5, 6, 7-10; 0 and fractions unclassified",
            items=_PAIN,
            low=0,
            high=10,
            bands=(*_whole("mild", 1, 5), *_whole("moderate", 6, 6), *_whole("severe", 7, 10)),
        ),
        Scheme(
            name="shanghai",
            source="Shanghai PVP+ITR study: 0-2 excellent, 2.5-4.5 good; the limit of fair and poor is not printed",
            items=_PAIN,
            low=0,
            high=10,
            bands=(
                Band(name="excellent", low=0, high=2),
                Band(name="good", low=2.5, high=4.5),
                Band(name="fair or poor", low=5, high=10),
            ),
        ),
    ),
)
