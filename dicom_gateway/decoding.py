"""One compressed frame to its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from dicom_gateway import jpeg12, sop_classes
from dicom_gateway.header import Header
from dicom_gateway.refusal import Undecodable

jpeg12.register()


def decode(stored: bytes, header: Header) -> NDArray[Any]:
    """Stored values of one frame, (H, W) or (H, W, 3), colour as RGB. Raises ``Undecodable``."""
    try:
        return _decoded(stored, header)
    except (MemoryError, OSError):
        raise
    except BaseException as error:  # decoders raise whatever they like over damaged data
        # a decoder written in Rust panics outside the tree of Exception, and would take the role down
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise Undecodable("the pixels cannot be decoded") from error
        raise


def _decoded(stored: bytes, header: Header) -> NDArray[Any]:
    syntax = header.transfer_syntax_uid
    is_native = syntax in sop_classes.NATIVE
    told: dict[str, Any] = {
        "rows": header.rows,
        "columns": header.cols,
        "number_of_frames": 1,
        "samples_per_pixel": header.samples,
        "photometric_interpretation": header.photometric,
        "bits_allocated": header.bits_allocated,
        "bits_stored": header.bits_stored,
        "pixel_representation": int(header.is_signed),
        "pixel_keyword": "PixelData",
    }
    if header.samples > 1:
        told["planar_configuration"] = header.planar
    pixels, _ = get_decoder(UID(syntax)).as_array(
        stored if is_native else encapsulate([stored], has_bot=False),
        index=0,
        decoding_plugin=jpeg12.LABEL if syntax == sop_classes.JPEG_EXTENDED else "",
        **told,
    )
    return np.asarray(pixels)
