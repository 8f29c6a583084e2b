"""The sentences of alerts, word for word."""

from __future__ import annotations

import re

import pytest

from detection.claims import claims_of, technical_claim
from detection.priorities import LEAK_LADDERS, Pace
from detection.vocabulary import Flag, Plan, Side, TechnicalCause, View, Wall, Zone
from detection.wording import sentence
from tests.detection.alarm_words import RULES, body, frame, front, piece

BLIND = {"mm_per_px": None}
UNSURE = frozenset({Flag.BODY_UNCERTAIN})


def say(findings, *, pace=Pace.STILL, level="L2"):
    return sentence(claims_of(findings, RULES, Plan())[0], pace=pace, level=level)


@pytest.mark.parametrize(
    ("findings", "pace", "words"),
    [
        (frame(piece(Zone.CANAL)), Pace.GROWING, "Cement in the spinal canal, L2, lateral view: 12 mm², growing."),
        (frame(piece(Zone.FORAMEN, 0.4)), Pace.STILL, "Cement in the foramen, L2, lateral view: less than 1 mm²."),
        (
            frame(piece(Zone.VEIN, side=Side.ANTERIOR, length_mm=18.2)),
            Pace.FAST,
            "Cement in a vein, anterior, L2, lateral view: 12 mm², 18 mm long, running off fast.",
        ),
        (
            frame(piece(Zone.DISC, side=Side.SUPERIOR)),
            Pace.STILL,
            "Cement in the disc, superior, L2, lateral view: 12 mm².",
        ),
        (
            frame(piece(Zone.SOFT_TISSUE, side=Side.IMAGE_LEFT), view=View.AP),
            Pace.GROWING,
            "Cement in the soft tissue, image left, L2, AP view: 12 mm², growing.",
        ),
        (
            frame(piece(Zone.DISC, side=Side.SUPERIOR), flags=UNSURE),
            Pace.GROWING,
            "Cement probably in the disc, superior (body outline uncertain), L2, lateral view: 12 mm², growing.",
        ),
        (
            frame(vanished=(piece(Zone.VEIN, 14.0),), flags=UNSURE),
            Pace.STILL,
            "Cement seen probably in a vein (body outline uncertain) is gone, L2, lateral view: 14 mm² before. It may have been carried away.",
        ),
        (
            frame(piece(Zone.CANAL, None), **BLIND),
            Pace.STILL,
            "Cement in the spinal canal, L2, lateral view: 133 pixels (scale unknown).",
        ),
        (
            frame(vanished=(piece(Zone.VEIN, 14.0),)),
            Pace.STILL,
            "Cement seen in a vein is gone, L2, lateral view: 14 mm² before. It may have been carried away.",
        ),
        (
            frame(front=front(4.1 / 33, speed=0.4, seconds=10)),
            Pace.STILL,
            "Cement 4.1 mm from the posterior wall, L2, lateral view: 0.4 mm/s, about 10 s (7-16) to the wall.",
        ),
        (frame(front=front(0.3)), Pace.STILL, "Cement 9.9 mm from the posterior wall, L2, lateral view."),
        (
            frame(front=front(0.2, depth_mm=None), **BLIND),
            Pace.STILL,
            "Cement 22 pixels (20% of the body depth, scale unknown) from the posterior wall, L2, lateral view.",
        ),
        (
            frame(front=front(2 / 33, speed=0.2), body=body(wall=Wall.BROKEN)),
            Pace.STILL,
            "Cement at the posterior wall, L2, lateral view: 2.0 mm left, 0.2 mm/s. Wall marked broken.",
        ),
        (
            frame(front=front(-0.03, speed=0.2, seconds=1)),
            Pace.STILL,
            "Cement at the posterior wall, L2, lateral view: front past the wall line, 0.2 mm/s.",
        ),
        (
            frame(piece(Zone.POSTERIOR_BAND)),
            Pace.STILL,
            "Cement in the posterior band, L2, lateral view, distance not known.",
        ),
    ],
)
def test_sentence(findings, pace, words):
    assert say(findings, pace=pace) == words


def test_an_unknown_level_is_left_out():
    assert say(frame(piece(Zone.CANAL)), level=None) == "Cement in the spinal canal, lateral view: 12 mm²."


ORDERS = re.compile(
    r"\b(stop|inject|withdraw|remove|must|should|wait|change|turn|switch|check|operate)\b", re.IGNORECASE
)


def all_sentences():
    for zone in LEAK_LADDERS:
        yield say(frame(piece(zone)))
        yield say(frame(vanished=(piece(zone),)))
    for share in (0.3, 0.2, 0.05, -0.1):
        yield say(frame(front=front(share, speed=0.5, seconds=3)))
    for cause in TechnicalCause:
        yield sentence(technical_claim(cause), pace=Pace.STILL, level=None)


@pytest.mark.parametrize("words", list(all_sentences()))
def test_sentences_are_short_and_order_nothing(words):
    assert not ORDERS.search(words)
    assert words.endswith(".")
    assert len(words) <= 130
