"""What we take and how it may be encoded: the tables of the listener.

Table: SOP class -> whether its pixels are judged. Anything else is not offered (XA 3D, CT, CR, RTIMAGE, video,
private classes). Deflated and video syntaxes are never offered: a deflated header is a decode bomb.
"""

from __future__ import annotations

_CLASS = "1.2.840.10008.5.1.4.1.1"
_SYNTAX = "1.2.840.10008.1.2"

VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT = "1.2.840.10008.1.20.1"
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
MPPS = "1.2.840.10008.3.1.2.3.3"
WORKLIST = "1.2.840.10008.5.1.4.31"
XA = f"{_CLASS}.12.1"
XRF = f"{_CLASS}.12.2"
ENHANCED_XA = f"{_CLASS}.12.1.1"
ENHANCED_XRF = f"{_CLASS}.12.2.1"
SC = f"{_CLASS}.7"
SC_SINGLE_BIT = f"{_CLASS}.7.1"
SC_GRAY_BYTE = f"{_CLASS}.7.2"
SC_GRAY_WORD = f"{_CLASS}.7.3"
SC_TRUE_COLOUR = f"{_CLASS}.7.4"
DX = f"{_CLASS}.1.1"
GSPS = f"{_CLASS}.11.1"
XA_GSPS = f"{_CLASS}.11.5"
RDSR = f"{_CLASS}.88.67"
ENHANCED_RDSR = f"{_CLASS}.88.76"
COMPREHENSIVE_3D_SR = f"{_CLASS}.88.34"
KOS = f"{_CLASS}.88.59"
SEG = f"{_CLASS}.66.4"
ENCAPSULATED_PDF = f"{_CLASS}.104.1"

IMAGES = frozenset(
    {XA, XRF, ENHANCED_XA, ENHANCED_XRF, SC, SC_GRAY_BYTE, SC_GRAY_WORD, SC_TRUE_COLOUR, DX},
)
"""Spooled and judged."""
MULTI_FRAME = IMAGES - {SC, DX}
"""Those of them that may hold a run."""
KEPT = frozenset({SC_SINGLE_BIT, GSPS, XA_GSPS, RDSR, ENHANCED_RDSR})
"""Spooled, never a frame."""
SECONDARY_CAPTURES = frozenset({SC, SC_SINGLE_BIT, SC_GRAY_BYTE, SC_GRAY_WORD, SC_TRUE_COLOUR})

IMPLICIT_LE = _SYNTAX
EXPLICIT_LE = f"{_SYNTAX}.1"
JPEG_BASELINE = f"{_SYNTAX}.4.50"
JPEG_EXTENDED = f"{_SYNTAX}.4.51"
JPEG_LOSSLESS = f"{_SYNTAX}.4.57"
JPEG_LOSSLESS_SV1 = f"{_SYNTAX}.4.70"
JPEG_LS = f"{_SYNTAX}.4.80"
JPEG_LS_NEAR = f"{_SYNTAX}.4.81"
JPEG_2000_LOSSLESS = f"{_SYNTAX}.4.90"
JPEG_2000 = f"{_SYNTAX}.4.91"
RLE = f"{_SYNTAX}.5"

NATIVE = (EXPLICIT_LE, IMPLICIT_LE)
COMPRESSED = (
    JPEG_LOSSLESS_SV1,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_2000_LOSSLESS,
    RLE,
    JPEG_LS_NEAR,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_EXTENDED,
)
LOSSY = frozenset({JPEG_BASELINE, JPEG_EXTENDED, JPEG_LS_NEAR, JPEG_2000})
