"""Every score that the record knows, by name."""

from __future__ import annotations

from collections.abc import Mapping

from service.clinical.instruments import Answers, ImpossibleAnswer, Instrument, Score
from service.clinical.scores_function import BARTHEL, KPS, ODI
from service.clinical.scores_life import BM22
from service.clinical.scores_pain import VAS
from service.clinical.scores_spine import SINS, TOKUHASHI, TOMITA

INSTRUMENTS: Mapping[str, Instrument] = {
    each.name: each for each in (VAS, ODI, KPS, BARTHEL, BM22, SINS, TOMITA, TOKUHASHI)
}


def score(instrument: str, answers: Answers, scheme: str | None = None) -> Score:
    """Count the answers of one instrument. Raises ImpossibleAnswer, for an unknown instrument too."""
    if instrument not in INSTRUMENTS:
        raise ImpossibleAnswer("instrument", f"expected one of {', '.join(INSTRUMENTS)}")
    return INSTRUMENTS[instrument].score(answers, scheme)
