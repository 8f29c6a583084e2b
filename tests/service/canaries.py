"""Two hundred marks planted wherever a name could hide, and a search for them."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_dict, tag_for_keyword
from pydicom.dataset import Dataset

TEXTS = frozenset("AE CS LO LT PN SH ST UC UT".split())
MARK = re.compile(rb"C\0?A\0?N\0?A\0?R\0?Y\0?\d\0?\d\0?\d\0?Q|98765\d{3}43210")
"""As letters, as sixteen-bit letters of either order, as pixels of sixteen bits."""
CORNER = (0, 0, 40, 120)
"""Rows and columns that the device burns text into: top, left, bottom, right."""
CORNER_SHARE = [0.0, 0.0, 0.16, 0.48]


@dataclass(slots=True)
class Canaries:
    """Marks that stand nowhere else, each told apart by its number. ``at_home`` never travel, not even as it is."""

    planted: list[str] = field(default_factory=list)
    at_home: set[str] = field(default_factory=set)

    def new(self) -> str:
        """One more, of at most sixteen letters."""
        self.planted.append(f"CANARY{len(self.planted):03d}Q")
        return self.planted[-1]

    def new_at_home(self) -> str:
        """One more in what belongs to the installation: rows of the database, settings."""
        self.at_home.add(self.new())
        return self.planted[-1]

    def new_uid(self) -> str:
        """One more that can stand in a UID."""
        self.planted.append(f"98765{len(self.planted):03d}43210")
        return f"1.2.{self.planted[-1]}"

    def found_in(self, folder: Path) -> set[str]:
        """Those that stand anywhere below ``folder``: in a name, in a file, in any of the usual encodings."""
        found = set(MARK.findall(b"\n".join(str(path.relative_to(folder)).encode() for path in folder.rglob("*"))))
        for path in folder.rglob("*"):
            if path.is_file():
                found |= set(MARK.findall(path.read_bytes()))
        return {mark.replace(b"\0", b"").decode() for mark in found} & set(self.planted)


def text_keywords(n: int) -> list[str]:
    """``n`` attributes that hold one text, from the whole dictionary, those first that we read ourselves."""
    ours = "PatientName PatientID StudyDescription SeriesDescription Manufacturer StationName AccessionNumber".split()
    ours += "ProtocolName InstitutionName OperatorsName ImageComments DeviceSerialNumber ViewPosition".split()
    every = (word for word in keyword_dict if word and _takes_text(word) and word not in ours)
    return [*ours, *itertools.islice(itertools.islice(every, 0, None, 23), n - len(ours))]


def _takes_text(keyword: str) -> bool:
    tag = tag_for_keyword(keyword) or 0
    is_plain = 0x0008 <= tag >> 16 < 0x5000 and tag >> 16 != 0x0028
    return is_plain and dictionary_VR(tag) in TEXTS and dictionary_VM(tag) == "1"


def plant_in_header(dataset: Dataset, marks: Canaries) -> None:
    """A hundred and twenty in the header: open, nested, private, in overlays, in UIDs."""
    for keyword in text_keywords(70):
        setattr(dataset, keyword, marks.new())
    _plant_in_sequences(dataset, marks)
    block = dataset.private_block(0x0029, marks.new(), create=True)
    for offset in range(9):
        block.add_new(offset, "LO", marks.new())
    hidden = Dataset()
    hidden.PatientComments = marks.new()
    block.add_new(0x20, "SQ", [hidden])
    block.add_new(0x21, "UN", marks.new().encode())
    odd = dataset.private_block(0x0009, marks.new(), create=True)
    odd.add_new(1, "OB", marks.new().encode() + b"\0")
    for group in (0x6000, 0x6002):
        dataset.add_new((group, 0x0022), "LO", marks.new())
        dataset.add_new((group, 0x1500), "LO", marks.new())
        dataset.add_new((group, 0x3000), "OW", marks.new().encode())
    for keyword in ("FrameOfReferenceUID", "IrradiationEventUID", "DeviceUID"):
        setattr(dataset, keyword, marks.new_uid())


def _plant_in_sequences(dataset: Dataset, marks: Canaries) -> None:
    for name in ("RequestAttributesSequence", "ReferencedStudySequence", "SharedFunctionalGroupsSequence"):
        inner, innermost = Dataset(), Dataset()
        innermost.PatientComments, innermost.PersonName = marks.new(), marks.new()
        innermost.ReferencedSOPInstanceUID = marks.new_uid()
        inner.ScheduledProcedureStepDescription, inner.RequestedProcedureID = marks.new(), marks.new()
        inner.PersonIdentificationCodeSequence = [innermost]
        inner.FrameContentSequence = [Dataset()]
        inner.FrameContentSequence[0].FrameComments = marks.new()
        setattr(dataset, name, [inner])


def plant_in_pixels(pixels: np.ndarray, marks: Canaries) -> None:
    """Ten in the declared corner of a picture (H, W) uint16: as letters that an eye reads, and as values."""
    top, left, bottom, right = CORNER
    for row in range(10):
        mark = marks.new()
        pixels[top + 4 * row, left : left + len(mark)] = np.frombuffer(mark.encode(), np.uint8)
        cv2.putText(pixels, mark, (left + 14, top + 12 + 2 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.3, 4000, 1)
    pixels[bottom - 2 : bottom, left:right] = 4095
