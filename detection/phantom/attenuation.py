"""Attenuation per centimetre, and what a tube voltage means behind a patient.

Computed from tabulated cross-sections (ICRU-44 mixtures); docs/algorithm.md names the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import numpy as np

from detection.vocabulary import Gray


class Cement(StrEnum):
    """What makes the cement opaque."""

    BARIUM_20 = "barium_20"
    BARIUM_7 = "barium_7"
    ZIRCONIA = "zirconia"


KEV = (50.0, 60.0, 70.0, 80.0)
PER_CM: Mapping[str, tuple[float, float, float, float]] = {
    "lung": (0.059, 0.053, 0.050, 0.048),
    "fat": (0.202, 0.188, 0.178, 0.171),
    "soft": (0.238, 0.215, 0.201, 0.191),
    "disc": (0.257, 0.229, 0.213, 0.202),
    "trabecular": (0.287, 0.248, 0.225, 0.210),
    "cortical": (0.815, 0.605, 0.494, 0.428),
    "iodine": (2.07, 1.34, 0.94, 0.71),
    "steel": (16.3, 10.0, 6.8, 4.9),
    "titanium": (5.2, 3.3, 2.3, 1.75),
}
KVP = (70.0, 80.0, 90.0, 100.0, 110.0, 120.0)
KEV_BEHIND = (53.0, 59.5, 64.0, 69.0, 73.0, 77.0)
BARIUM_20_AT_5_MM = (2.10, 1.75, 1.50, 1.30, 1.14, 1.06)
SHARE: Mapping[Cement, float] = {Cement.BARIUM_20: 1.0, Cement.BARIUM_7: 0.45, Cement.ZIRCONIA: 1.02}
HARDENING_PER_MM = 0.011


def per_cm(material: str, kvp: float) -> float:
    """Attenuation of a material (1/cm) at the effective energy behind the patient."""
    kev = np.interp(kvp, KVP, KEV_BEHIND)
    return float(np.exp(np.interp(kev, KEV, np.log(PER_CM[material]))))


def cement_attenuation(path_mm: Gray, kvp: float, cement: Cement) -> Gray:
    """Attenuation (nepers) of a path through set cement; thick cement hardens the beam (-18 % at 20 mm)."""
    thin = np.interp(kvp, KVP, BARIUM_20_AT_5_MM) * SHARE[cement] * (1 + 5 * HARDENING_PER_MM)
    hardened: Gray = path_mm * np.float32(thin / 10) / (1 + np.float32(HARDENING_PER_MM) * path_mm)
    return hardened


def steel_attenuation(path_mm: Gray, kvp: float) -> Gray:
    """Attenuation (nepers) of steel; its beam hardening is strong (about a half at 3 mm)."""
    hardened: Gray = path_mm * np.float32(per_cm("steel", kvp) / 10) / (1 + np.float32(0.2) * path_mm)
    return hardened
