"""A shot as bytes and back, so that played scenes can be kept: the same bits as when they were played."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from detection.phantom.scene import Shot
from detection.phantom.truth import Truth
from detection.vocabulary import Corners, Mask, Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """One shot in three parts: what is true as JSON, masks at a bit a pixel, and stored values at 8 or 16 bits."""

    said: bytes
    masks: bytes
    pixels: bytes


def pack(shot: Shot) -> Packed:
    """A shot as bytes."""
    truth = shot.truth
    is_narrow = int(shot.pixels.max(initial=0)) < 256
    said: dict[str, Any] = {
        "index": shot.index,
        "leg": shot.leg,
        "time_s": shot.time_s,
        "shape": shot.pixels.shape,
        "bits": 8 if is_narrow else 16,
        "zones": [str(zone) for zone in truth.zones],
        "has_visible": truth.visible is not None,
        "truth": {name: getattr(truth, name) for name in _PLAIN},
        "zone_ml": {str(zone): ml for zone, ml in truth.zone_ml.items()},
        "corners": asdict(truth.corners),
    }
    masks = [*truth.zones.values(), *([] if truth.visible is None else [truth.visible])]
    return Packed(
        said=json.dumps(said).encode(),
        masks=b"".join(np.packbits(mask).tobytes() for mask in masks),
        pixels=shot.pixels.astype(np.uint8 if is_narrow else np.uint16).tobytes(),
    )


def unpack(packed: Packed) -> Shot:
    """The shot that ``pack`` was given. ValueError or KeyError when these are not its bytes."""
    said = json.loads(packed.said)
    shape = (int(said["shape"][0]), int(said["shape"][1]))
    kind = np.uint8 if said["bits"] == 8 else np.uint16
    pixels = np.frombuffer(packed.pixels, kind).reshape(shape).astype(np.uint16)
    n_masks = len(said["zones"]) + said["has_visible"]
    masks = list(_unpacked(packed.masks, n_masks, shape))
    told = said["truth"] | {"shift_px": tuple(said["truth"]["shift_px"])}
    truth = Truth(
        zone_ml={Zone(zone): ml for zone, ml in said["zone_ml"].items()},
        zones=dict(zip(map(Zone, said["zones"]), masks, strict=False)),
        visible=masks[-1] if said["has_visible"] else None,
        corners=Corners(**{name: (row, col) for name, (row, col) in said["corners"].items()}),
        **told,
    )
    return Shot(index=said["index"], time_s=said["time_s"], pixels=pixels, truth=truth, leg=said["leg"])


_PLAIN = ("time_s", "volume_ml", "cnr", "distance_to_wall_mm", "leak_3d", "leak_visible", "shift_px", "is_clear")


def _unpacked(masks: bytes, n_masks: int, shape: tuple[int, int]) -> Iterable[Mask]:
    n_pixels = shape[0] * shape[1]
    rows = np.frombuffer(masks, np.uint8).reshape(n_masks, -(-n_pixels // 8))
    for row in rows:
        yield np.unpackbits(row, count=n_pixels).astype(np.bool_).reshape(shape)
