"""Codes as highdicom wants them: the standard's and UCUM's, and those of our scheme 99CEMENT.

No table of DICOM names bone cement, its leaks or vertebroplasty; a site may map ours to terms that it has licensed.
"""

from __future__ import annotations

from collections.abc import Mapping

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicom_gateway.report.concepts import UNIT_WORDS
from dicom_gateway.report.nouns import Bound, Coded, Unit
from dicom_gateway.report.terms import OURS, SCHEME, SCHEME_NAME

BOUNDS = {Bound.LOWEST: codes.SCT.Minimum, Bound.HIGHEST: codes.SCT.Maximum}


def concept_of(told: Coded) -> CodedConcept:
    """One code."""
    return CodedConcept(value=told.value, scheme_designator=told.scheme, meaning=told.meaning)


class Codebook:
    """Our codes, or what the site has put in their place."""

    def __init__(self, mapped: Mapping[str, Coded]) -> None:
        self._told = {**OURS, **mapped}

    def __getitem__(self, value: str) -> CodedConcept:
        return concept_of(self._told[value])

    def schemes(self) -> list[Dataset]:
        """Items of the Coding Scheme Identification Sequence (PS3.3 C.12.1): every scheme here that is private."""
        private = sorted({told.scheme for told in self._told.values() if told.scheme.startswith("99")})
        return [
            CodingSchemeIdentificationItem(scheme, name=SCHEME_NAME if scheme == SCHEME else None) for scheme in private
        ]


def unit_of(unit: Unit) -> CodedConcept:
    """A unit of measurement, in UCUM."""
    return CodedConcept(value=unit.value, scheme_designator="UCUM", meaning=UNIT_WORDS.get(unit, unit.value))
