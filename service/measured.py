"""How two journals measure the same frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

EQUAL_WITHIN = 0.01
"""mm and mm²: below what is printed anywhere, above what floating point differs between machines."""
SIZES = {"cement_area_mm2": ("cement area", "mm²"), "distance_mm": ("distance to the wall", "mm")}

Measured = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameDifference:
    """One frame of which something is measured differently: each size as (before, now), and the flags of either only."""

    place: int
    sizes: Mapping[str, tuple[float | None, float | None]]
    flags_gone: tuple[str, ...] = ()
    flags_new: tuple[str, ...] = ()


def frame_differences(a: Mapping[int, Measured], b: Mapping[int, Measured]) -> tuple[FrameDifference, ...]:
    """The frames of both, by place, that differ."""
    return tuple(
        each for place in sorted(a.keys() & b.keys()) if (each := _difference(place, a[place], b[place])) is not None
    )


def sentences(differences: Sequence[FrameDifference], n_frames: int) -> Iterator[str]:
    """What the frames' differences come to, one sentence for each size and for the flags."""
    names = sorted({name for each in differences for name in each.sizes})
    for name in names:
        pairs = {each.place: each.sizes[name] for each in differences if name in each.sizes}
        yield _of_size(name, pairs, n_frames)
    for word, flags in (
        ("no longer", [(each.place, flag) for each in differences for flag in each.flags_gone]),
        ("now", [(each.place, flag) for each in differences for flag in each.flags_new]),
    ):
        for flag in sorted({flag for _, flag in flags}):
            places = [place for place, known in flags if known == flag]
            yield f"{word} flagged {flag.replace('_', ' ')}: {len(places)} frames, the first is {places[0]}"


def _of_size(name: str, pairs: Mapping[int, tuple[float | None, float | None]], n_frames: int) -> str:
    words, unit = SIZES.get(name) or (f"area in the {name.replace('_', ' ')}", "mm²")
    known = {place: (was, now) for place, (was, now) in pairs.items() if was is not None and now is not None}
    told = f"{words} differs on {len(pairs)} of {n_frames} frames"
    if known:
        steps = {place: now - was for place, (was, now) in known.items()}
        worst = max(steps, key=lambda place: abs(steps[place]))
        was, now = known[worst]
        told += f": median {median(steps.values()):+.2f} {unit}, most on frame {worst} ({was:.2f}, now {now:.2f})"
    if len(known) < len(pairs):
        n_gained = sum(was is None for was, _ in pairs.values())
        told += f"; known only in A on {len(pairs) - len(known) - n_gained}, only in B on {n_gained}"
    return told


def _difference(place: int, a: Measured, b: Measured) -> FrameDifference | None:
    ours, theirs = dict(_sizes(a)), dict(_sizes(b))
    sizes = {
        name: (ours.get(name), theirs.get(name))
        for name in sorted(ours.keys() | theirs.keys())
        if not _are_equal(ours.get(name), theirs.get(name))
    }
    flags_a, flags_b = set(a.get("flags") or ()), set(b.get("flags") or ())
    if not sizes and flags_a == flags_b:
        return None
    return FrameDifference(
        place=place,
        sizes=sizes,
        flags_gone=tuple(sorted(flags_a - flags_b)),
        flags_new=tuple(sorted(flags_b - flags_a)),
    )


def _sizes(said: Measured) -> Iterator[tuple[str, float]]:
    """Every size that a frame tells, by name: the two main ones, and the area of each zone."""
    for name in SIZES:
        if said.get(name) is not None:
            yield name, float(said[name])
    for zone, extent in (said.get("zones") or {}).items():
        if extent.get("area_mm2") is not None:
            yield zone, float(extent["area_mm2"])


def _are_equal(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= EQUAL_WITHIN
