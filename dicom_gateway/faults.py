"""Faults on request: what goes wrong on the way from a device, made on purpose and the same for one seed.

Each object meets at most one of these, by chance: it is lost, sent twice, sent after later ones, cut short, scrambled
in its pixels, or begun and then aborted (and sent whole afterwards, as devices do). Besides, the device's clock may be off.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from dicom_gateway.due import Due
from dicom_gateway.walk import walk

SCRAMBLED_SHARE = 0.01
LEAST_LEFT = 16
"""Bytes of pixel data that an object cut short still has."""
MOST_PASSED = 3
"""Objects that one sent out of order lets pass."""
DAYS = ("Study", "Series", "Acquisition", "Content")


class Fault(StrEnum):
    """What can happen to an object."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    ABORT = "abort"
    CUT = "cut"
    SCRAMBLE = "scramble"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often each happens, as a share of the objects, and what the device's clock is off by."""

    shares: tuple[tuple[Fault, float], ...] = ()
    skew_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if any(share < 0 for _, share in self.shares) or sum(share for _, share in self.shares) > 1:
            raise ValueError("expected shares of the objects from 0 to 1, and no more than 1 together")


def faults_from(words: Iterable[str], seed: int) -> Faults:
    """From words such as ``drop=0.1`` and ``skew=-3600``. ValueError names what was expected."""
    told: dict[str, float] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            told[name] = float(value)
        except ValueError:
            raise ValueError(f"{name}: expected a number after '=', such as {name}=0.1") from None
    skew_s = told.pop("skew", 0.0)
    unknown = [name for name in told if name not in set(Fault)]
    if unknown:
        raise ValueError(f"{unknown[0]}: expected one of {', '.join(Fault)} with a share, or skew with seconds")
    return Faults(shares=tuple((Fault(name), share) for name, share in told.items()), skew_s=skew_s, seed=seed)


def disturbed(due: Iterable[Due], faults: Faults, scratch: Path, made: Counter[Fault]) -> Iterator[Due]:
    """``due`` as it arrives after these faults; ``made`` counts them. Changed objects are written below ``scratch``."""
    chance = random.Random(faults.seed)  # noqa: S311 - a seeded generator, no secret
    held: list[tuple[int, Due]] = []
    for number, each in enumerate(due):
        item = replace(each, content=_skewed(each.content, faults.skew_s, scratch, number))
        fault = _drawn(chance, faults)
        if fault is not None:
            made[fault] += 1
        if fault is Fault.REORDER:
            held.append((number + 1 + chance.randint(1, MOST_PASSED), item))
        elif fault is Fault.DUPLICATE:
            yield from (item, replace(item, fault=fault))
        elif fault is Fault.ABORT:
            yield from (replace(item, fault=fault), item)
        elif fault in {Fault.CUT, Fault.SCRAMBLE}:
            path = _as_file(item.content, scratch / f"{number:06d}.{fault}.dcm")
            (_cut if fault is Fault.CUT else _scramble)(path, chance)
            yield replace(item, content=path, fault=fault)
        elif fault is None:
            yield item
        yield from (replace(late, fault=Fault.REORDER) for until, late in held if until == number)
        held = [(until, late) for until, late in held if until > number]
    yield from (replace(late, fault=Fault.REORDER) for _, late in held)


def _drawn(chance: random.Random, faults: Faults) -> Fault | None:
    at = chance.random()
    for fault, share in faults.shares:
        if at < share:
            return fault
        at -= share
    return None


def _as_file(content: Path | Dataset, path: Path) -> Path:
    """The object as a file of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        path.write_bytes(content.read_bytes())
    else:
        content.save_as(path, enforce_file_format=True)
    return path


def _cut(path: Path, chance: random.Random) -> None:
    """Leave some of the pixel data out at the end; the header still says how long it is."""
    begins, size = _pixels_at(path), path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(begins + LEAST_LEFT + chance.randrange(max(1, size - begins - 2 * LEAST_LEFT)))


def _scramble(path: Path, chance: random.Random) -> None:
    """Write other values over a hundredth of the pixel data. DICOM has no checksum: nobody can tell."""
    begins, size = _pixels_at(path), path.stat().st_size
    with path.open("r+b") as file:
        for _ in range(max(1, int((size - begins) * SCRAMBLED_SHARE))):
            file.seek(chance.randrange(begins, size))
            file.write(bytes([chance.randrange(256)]))


def _pixels_at(path: Path) -> int:
    pixels = walk(path).pixels
    return path.stat().st_size // 2 if pixels is None else pixels.at


def _skewed(content: Path | Dataset, skew_s: float, scratch: Path, number: int) -> Path | Dataset:
    """The object as a device makes it whose clock is ahead by ``skew_s``."""
    if skew_s == 0:
        return content
    dataset = pydicom.dcmread(content) if isinstance(content, Path) else content
    for name in DAYS:
        _shift_pair(dataset, f"{name}Date", f"{name}Time", skew_s)
    if moment := str(dataset.get("AcquisitionDateTime", "")):
        zone = moment[-5:] if moment[-5:-4] in {"+", "-"} else ""
        dataset.AcquisitionDateTime = _shifted(moment.removesuffix(zone), skew_s) + zone
    path = scratch / f"{number:06d}.skewed.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _shift_pair(dataset: Dataset, day: str, time: str, skew_s: float) -> None:
    if not dataset.get(day) or not dataset.get(time):
        return
    shifted = _shifted(str(dataset[day].value) + str(dataset[time].value), skew_s)
    setattr(dataset, day, shifted[:8])
    setattr(dataset, time, shifted[8:])


def _shifted(moment: str, skew_s: float) -> str:
    form = "%Y%m%d%H%M%S.%f" if "." in moment else "%Y%m%d%H%M%S"
    return (datetime.strptime(moment, form) + timedelta(seconds=skew_s)).strftime("%Y%m%d%H%M%S.%f")
