"""Gradings of a spinal metastasis: SINS for stability, Tomita and revised Tokuhashi for prognosis."""

from __future__ import annotations

from dataclasses import replace

from service.clinical.instruments import Band, ImpossibleAnswer, Instrument, Item, Scheme

LEVELS = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 13)),
    *(f"L{n}" for n in range(1, 6)),
    *(f"S{n}" for n in range(1, 6)),
)
"""The vertebrae, from the head down."""

_JUNCTIONAL = frozenset({"C1", "C2", "C7", "T1", "T2", "T11", "T12", "L1", "L5", "S1"})
_MOBILE = frozenset({"C3", "C4", "C5", "C6", "L2", "L3", "L4"})
_RIGID = frozenset({"S2", "S3", "S4", "S5"})


def _item(key: str, label: str, **points: int) -> Item:
    return Item(key=key, label=label, points=points)


_SINS_ITEMS = (
    _item("location", "location", junctional=3, mobile=2, semirigid=1, rigid=0),
    _item("pain", "mechanical pain", yes=3, occasional_non_mechanical=1, none=0),
    _item("lesion", "bone lesion", lytic=2, mixed=1, blastic=0),
    _item("alignment", "alignment", subluxation=4, new_deformity=2, normal=0),
    _item("collapse", "collapse", over_half=3, under_half=2, none_but_over_half_involved=1, none=0),
    _item("posterolateral", "posterolateral elements", both_sides=3, one_side=1, none=0),
)


def _sins(name: str, source: str, stable: int) -> Scheme:
    bands = (
        Band(name="stable", low=0, high=stable),
        Band(name="potentially unstable", low=stable + 1, high=12),
        Band(name="unstable", low=13, high=18),
    )
    return Scheme(name=name, source=source, items=_SINS_ITEMS, low=0, high=18, bands=bands)


SINS = Instrument(
    name="sins",
    label="Spinal instability neoplastic score",
    worse="high",
    missing="All six items are needed.",
    caveat="One score for each level. Collapse of exactly 50 % is in no class of the published table.",
    schemes=(
        _sins("published", "Fisher 2010, Spine 35:E1221: 0-6, 7-12, 13-18", stable=6),
        _sins(
            "hebei", "as the Hebei PPSF+PVP series prints it: < 6, 6-12, > 12; a score of 6 is classed differently", 5
        ),
    ),
)


def sins_location(level: str) -> str:
    """The SINS class of a vertebra; raises ImpossibleAnswer for one that is none."""
    if level not in LEVELS:
        raise ImpossibleAnswer("level", "expected a vertebra from C1 to S5")
    if level in _JUNCTIONAL:
        return "junctional"
    if level in _MOBILE:
        return "mobile"
    return "rigid" if level in _RIGID else "semirigid"


def sins_collapse(height_loss_percent: float, *, is_mostly_involved: bool) -> str:
    """The SINS class of a loss of height; raises ImpossibleAnswer for exactly 50 %, which the score leaves open."""
    if not 0 <= height_loss_percent <= 100:
        raise ImpossibleAnswer("height_loss_percent", "expected a number from 0 to 100")
    if height_loss_percent == 50:
        raise ImpossibleAnswer("height_loss_percent", "exactly 50 is in no class of SINS; answer collapse by hand")
    if height_loss_percent > 0:
        return "over_half" if height_loss_percent > 50 else "under_half"
    return "none_but_over_half_involved" if is_mostly_involved else "none"


_TOMITA_BANDS = (
    Band(name="wide or marginal excision", low=2, high=3),
    Band(name="marginal or intralesional excision", low=4, high=5),
    Band(name="palliative surgery", low=6, high=7),
    Band(name="supportive care", low=8, high=10),
)
_TOMITA = Scheme(
    name="published",
    source="Tomita 2001, Spine 26:298",
    items=(
        _item("primary", "growth of the primary tumour", slow=1, moderate=2, rapid=4),
        _item("visceral", "visceral metastases", none=0, treatable=2, untreatable=4),
        _item("bone", "bone metastases", solitary=1, multiple=2),
    ),
    low=2,
    high=10,
    bands=_TOMITA_BANDS,
)

TOMITA = Instrument(
    name="tomita",
    label="Tomita score",
    worse="high",
    missing="All three items are needed.",
    caveat="Names of the strategies are those of the published table, not advice.",
    schemes=(
        _TOMITA,
        replace(
            _TOMITA,
            name="hebei",
            source="as the Hebei PPSF+PVP series prints it: no visceral metastases counts 1, so that 2 cannot occur",
            items=(
                _TOMITA.items[0],
                _item("visceral", "visceral metastases", none=1, treatable=2, untreatable=4),
                _TOMITA.items[2],
            ),
            low=3,
            bands=(
                *_TOMITA_BANDS[:2],
                Band(name="palliative care", low=6, high=7),
                Band(name="symptomatic treatment", low=8, high=10),
            ),
        ),
    ),
)

_TOKUHASHI_PRIMARY = {
    **dict.fromkeys(("lung", "osteosarcoma", "stomach", "bladder", "oesophagus", "pancreas"), 0),
    **dict.fromkeys(("liver", "gallbladder", "unidentified"), 1),
    "other": 2,
    **dict.fromkeys(("kidney", "uterus"), 3),
    "rectum": 4,
    **dict.fromkeys(("thyroid", "breast", "prostate", "carcinoid"), 5),
}
_TOKUHASHI_KPS = {n: 0 if n <= 40 else 1 if n <= 70 else 2 for n in range(10, 101, 10)}

TOKUHASHI = Instrument(
    name="tokuhashi",
    label="Revised Tokuhashi score",
    worse="low",
    missing="All six items are needed.",
    caveat="Only the revised version with 15 points. KPS 0 is death and has no prognosis.",
    schemes=(
        Scheme(
            name="revised_2005",
            source="Tokuhashi 2005, Spine 30:2186: 0-8 less than 6 months, 9-11 at least 6 months, 12-15 at least 1 year",
            items=(
                Item(key="kps", label="Karnofsky performance, in tens", points=_TOKUHASHI_KPS),
                _item("extraspinal", "extraspinal bone metastases", three_or_more=0, one_or_two=1, none=2),
                _item("vertebral", "vertebral metastases", three_or_more=0, two=1, one=2),
                _item("organs", "metastases in major organs", unremovable=0, removable=1, none=2),
                Item(key="primary", label="primary tumour", points=_TOKUHASHI_PRIMARY),
                _item("palsy", "palsy, by Frankel grade", A=0, B=0, C=1, D=1, E=2),
            ),
            low=0,
            high=15,
            bands=(
                Band(name="less than 6 months", low=0, high=8),
                Band(name="6 months or more", low=9, high=11),
                Band(name="1 year or more", low=12, high=15),
            ),
        ),
    ),
)
