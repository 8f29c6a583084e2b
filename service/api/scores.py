"""Scores over HTTP: which there are, and what answers come to. Nothing is stored here."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from service.api.asks import Ask
from service.api.errors import Refused, not_found
from service.api.wire import Wire
from service.clinical.instruments import ImpossibleAnswer, Instrument, Scheme
from service.clinical.scores import INSTRUMENTS

router = APIRouter(prefix="/scores", tags=["scores"])


class ScoreItem(Wire):
    """One question; its wording belongs to the questionnaire's authors."""

    key: str = Field(description="Name of the item in answers.")
    label: str = Field(description="Short neutral label.")
    expected: str = Field(description="What may be answered.")


class ScoreBand(Wire):
    """A named range of values, both ends included; where two meet, the earlier one holds."""

    name: str = Field(description="Name.")
    low: float = Field(description="Smallest value; points.")
    high: float = Field(description="Largest value; points.")


class ScoreScheme(Wire):
    """One published way to count."""

    name: str = Field(description="Name of the scheme.")
    source: str = Field(description="Where it is published.")
    low: float = Field(description="Smallest possible value; points.")
    high: float = Field(description="Largest possible value; points.")
    items: list[ScoreItem] = Field(description="Items.")
    bands: list[ScoreBand] = Field(description="Bands.")


class ScoreInstrument(Wire):
    """One instrument."""

    name: str = Field(description="Name.")
    label: str = Field(description="What people call it.")
    worse: str = Field(description="Which end is worse: high or low.")
    missing: str = Field(description="The rule for missing answers.")
    caveat: str = Field(description="What to keep in mind.")
    schemes: list[ScoreScheme] = Field(description="Schemes; the first is the default.")


class ScoreList(Wire):
    """All instruments."""

    items: list[ScoreInstrument] = Field(description="Instruments.")
    next_after: int | None = Field(None, description="Always null.")


class ScoreAsk(Ask):
    """Answers to count."""

    answers: dict[str, Any] = Field(description="Answers by item; null or left out: not answered.")
    scheme: str | None = Field(None, description="Scheme; null is the default.")


class ScoreAnswer(Wire):
    """What the answers come to."""

    instrument: str = Field(description="Name of the instrument.")
    scheme: str = Field(description="Name of the scheme.")
    value: float | None = Field(None, description="Value; null where the rule for missing answers allows none; points.")
    low: float = Field(description="Smallest possible value; points.")
    high: float = Field(description="Largest possible value; points.")
    worse: str = Field(description="Which end is worse: high or low.")
    band: str | None = Field(None, description="Band; null where the scheme names none.")
    n_answered: int = Field(description="Items answered; count.")
    missing: tuple[str, ...] = Field(description="Items not answered.")
    scales: dict[str, float | None] = Field(description="Scales, 0 to 100, of an instrument that has some.")
    source: str = Field(description="Where the scheme is published.")


@router.get("", response_model=ScoreList)
def list_scores() -> ScoreList:
    """Every instrument with its items, bands, sources and rules."""
    return ScoreList(items=[_instrument(each) for each in INSTRUMENTS.values()], next_after=None)


@router.post("/{name}", response_model=ScoreAnswer)
def count(name: str, body: ScoreAsk) -> ScoreAnswer:
    """Count answers; 400 names the item whose answer is impossible."""
    if name not in INSTRUMENTS:
        raise not_found("score")
    try:
        told = INSTRUMENTS[name].score(body.answers, body.scheme)
    except ImpossibleAnswer as bad:
        raise Refused(400, f"{bad.field}: {bad.expected}.", field=bad.field, expected=bad.expected) from None
    return ScoreAnswer(**{field: getattr(told, field) for field in ScoreAnswer.model_fields})


def _instrument(each: Instrument) -> ScoreInstrument:
    return ScoreInstrument(
        name=each.name,
        label=each.label,
        worse=each.worse,
        missing=each.missing,
        caveat=each.caveat,
        schemes=[_scheme(scheme) for scheme in each.schemes],
    )


def _scheme(scheme: Scheme) -> ScoreScheme:
    return ScoreScheme(
        name=scheme.name,
        source=scheme.source,
        low=scheme.low,
        high=scheme.high,
        items=[ScoreItem(key=item.key, label=item.label, expected=item.expected) for item in scheme.items],
        bands=[ScoreBand(name=band.name, low=band.low, high=band.high) for band in scheme.bands],
    )
