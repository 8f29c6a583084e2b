"""A sheet of pictures to look at: what was missed comes first, and what truly leaked has a white line about it."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from detection.montage import TILE_PX, exhibit, sheet
from detection.outcome import Exhibit
from detection.vocabulary import Zone
from tests.detection.films import frame_of, mottle
from tests.detection.test_tally import block, findings, truth


def decoded(picture):
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)


def plain(kind, grey):
    _, encoded = cv2.imencode(".jpg", np.full((20, 10, 3), grey, np.uint8))
    return Exhibit(kind=kind, caption="", jpeg=base64.b64encode(encoded.tobytes()).decode())


def test_misses_come_first_then_false_alarms_then_hits():
    picture = decoded(sheet([plain("hit", 200), plain("miss", 50), plain("false", 120)], n_columns=2))
    assert picture.shape == (40, 20, 3)
    corners = [picture[5, 5, 0], picture[5, 15, 0], picture[25, 5, 0], picture[25, 15, 0]]
    assert corners == pytest.approx([50, 120, 200, 0], abs=4)


def test_a_sheet_without_pictures_is_refused():
    with pytest.raises(ValueError, match="no picture"):
        sheet([])


def test_a_picture_shows_the_body_and_a_white_line_about_the_leak():
    frame = frame_of(mottle((40, 40)) * 100 + 2000)
    with_leak = truth(zones={Zone.CANAL: block(12, 12, 20, 20)}, leak_3d=True)
    bare, told = (
        decoded(base64.b64decode(exhibit("miss", "a\nb", frame, (findings(), true)).jpeg)).astype(int)
        for true in (truth(), with_leak)
    )
    assert bare.shape == (TILE_PX + 34, TILE_PX, 3)
    changed = np.abs(told - bare).sum(axis=2) > 120
    rows = np.nonzero(changed)[0]
    assert 0.2 < (rows.min() / TILE_PX) < 0.4
    assert changed[:TILE_PX].mean() < 0.2
    assert told[changed].mean() > bare[changed].mean()
