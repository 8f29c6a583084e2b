"""A picture shows dense dark, outlines where they belong, and keeps what lies below readable."""

import cv2
import numpy as np
import pytest

from detection.picture import CEMENT_COLOUR, ZONE_COLOUR, Marks, display_of, draw, overlay
from detection.vocabulary import Corners, Frame, Intensity, Mode, Polarity, Stamp, Zone

SQUARE = ((20.0, 20.0), (20.0, 60.0), (60.0, 60.0), (60.0, 20.0))


def frame(pixels, **changes):
    stamp = Stamp(
        arrival=1,
        sop_instance_uid="1.2.3",
        index=0,
        source="CARM1",
        study_instance_uid="1.2",
        mode=Mode.LIVE,
        acquired_at=None,
        received_at=0.0,
        time_s=0.0,
    )
    plain = {"intensity": Intensity.LOG, "polarity": Polarity.DENSE_IS_DARK, "ceiling": 4095.0}
    return Frame(stamp=stamp, pixels=np.asarray(pixels, np.float32), **(plain | changes))


def ramp():
    return np.tile(np.linspace(100, 900, 80, dtype=np.float32), (80, 1))


def read(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_the_window_spans_the_picture():
    shown = display_of(frame(ramp()))
    assert shown.dtype == np.uint8
    assert shown.min() == 0
    assert shown.max() == 255


def test_one_hot_pixel_does_not_darken_the_picture():
    pixels = ramp()
    pixels[0, 0] = 60000
    assert display_of(frame(pixels))[40, 40] == pytest.approx(display_of(frame(ramp()))[40, 40], abs=4)


def test_dense_is_dark_whatever_the_polarity():
    dark = display_of(frame(ramp()))
    bright = display_of(frame(1000 - ramp(), polarity=Polarity.DENSE_IS_BRIGHT))
    assert dark[0, 0] < dark[0, -1]
    assert np.abs(dark.astype(int) - bright.astype(int)).max() <= 1


def test_linear_intensities_are_shown_by_their_logarithm():
    pixels = np.tile(np.geomspace(10, 10000, 80, dtype=np.float32), (80, 1))
    shown = display_of(frame(pixels, intensity=Intensity.LINEAR)).astype(float)
    assert shown[0, 40] == pytest.approx(128, abs=12)


def test_outside_of_the_field_is_black_and_does_not_count():
    field = np.ones((80, 80), bool)
    field[:, 60:] = False
    pixels = np.where(field, ramp(), 1e9)
    shown = display_of(frame(pixels, field=field))
    assert shown[:, 60:].max() == 0
    assert shown[:, :60].max() == 255


@pytest.mark.parametrize("pixels", [np.zeros((8, 8)), np.full((8, 8), np.nan)])
def test_an_even_picture_is_grey(pixels):
    assert (display_of(frame(pixels)) == 128).all()


def test_a_jpeg_has_the_width_asked_for_and_the_frames_proportions():
    gray = np.full((60, 80), 90, np.uint8)
    assert read(draw(gray)).shape == (60, 80, 3)
    assert read(draw(gray, width=160)).shape == (120, 160, 3)
    assert read(draw(gray, width=1)).shape == (48, 64, 3)


def test_zones_are_drawn_in_their_colour_where_they_lie():
    picture = overlay(np.full((80, 80), 50, np.uint8), Marks(zones=((Zone.SOFT_TISSUE, SQUARE),)))
    assert np.abs(picture[20, 40].astype(int) - ZONE_COLOUR[Zone.SOFT_TISSUE]).max() < 40
    assert tuple(picture[40, 40]) == (50, 50, 50)


def test_outlines_grow_with_the_picture():
    picture = overlay(np.full((160, 160), 50, np.uint8), Marks(zones=((Zone.SOFT_TISSUE, SQUARE),)), scale=2.0)
    rows = np.flatnonzero((picture[:, 80] != 50).any(axis=1))
    assert abs(rows.min() - 40.5) <= 2
    assert abs(rows.max() - 120.5) <= 2


def test_cement_is_tinted_and_the_image_below_stays_readable():
    gray = np.full((80, 80), 50, np.uint8)
    gray[40, 40] = 150
    picture = overlay(gray, Marks(cement=(SQUARE,))).astype(int)
    assert picture[30, 30, 1] > 50
    assert picture[40, 40].sum() > picture[40, 41].sum()
    assert tuple(picture[10, 10]) == (50, 50, 50)
    assert CEMENT_COLOUR not in ZONE_COLOUR.values()


def test_a_body_is_drawn_as_its_four_sides():
    corners = Corners(near_superior=(20, 20), near_inferior=(60, 20), far_superior=(20, 60), far_inferior=(60, 60))
    picture = overlay(np.zeros((80, 80), np.uint8), Marks(corners=corners))
    for row, col in ((20, 40), (60, 40), (40, 20), (40, 60)):
        assert picture[row, col].max() > 100
    assert picture[40, 40].max() == 0


def test_every_zone_has_a_colour_and_may_leak():
    outlines = tuple((zone, SQUARE) for zone in Zone)
    assert draw(np.zeros((80, 80), np.uint8), Marks(leaks=outlines, zones=outlines))


def test_empty_outlines_and_outlines_off_the_picture_are_no_trouble():
    far = ((-500.0, -500.0), (9000.0, -500.0), (9000.0, 9000.0))
    marks = Marks(cement=((), far), leaks=((Zone.CANAL, ()),), zones=((Zone.CANAL, ()), (Zone.DISC, far)))
    assert draw(np.zeros((80, 80), np.uint8), marks)


def test_nothing_to_show_is_an_error():
    with pytest.raises(ValueError, match="pixels"):
        draw(np.zeros((0, 5), np.uint8))
