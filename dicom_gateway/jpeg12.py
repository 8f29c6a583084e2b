"""Use imagecodecs <https://github.com/cgohlke/imagecodecs> to decompress JPEG Extended of 12 bits.

In the shape of pydicom's own plug-ins, of which none decodes more than 8 bits of this syntax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
from pydicom.pixels.decoders import JPEGExtended12BitDecoder

from dicom_gateway.sop_classes import JPEG_EXTENDED

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

LABEL = "imagecodecs"
DECODER_DEPENDENCIES = {JPEG_EXTENDED: ("numpy", "imagecodecs")}


def is_available(uid: str) -> bool:
    """Whether this syntax can be decoded here."""
    return uid == JPEG_EXTENDED and imagecodecs.JPEG8.available


def register() -> None:
    """Offer this decoder to pydicom; may be called again."""
    if LABEL not in JPEGExtended12BitDecoder.available_plugins:
        JPEGExtended12BitDecoder.add_plugin(LABEL, (__name__, "_decode_frame"))


def _decode_frame(src: bytes, runner: DecodeRunner) -> bytearray:
    """The decoded image in ``src``."""
    pixels = np.asarray(imagecodecs.jpeg8_decode(src))
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    if pixels.ndim == 3:
        runner.set_option("planar_configuration", 0)
        runner.set_option("photometric_interpretation", "RGB")
    return bytearray(pixels.tobytes())
