"""Phantom scenes as real DICOM: single images at pace, whole runs, and a folder with the truth beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, generate_uid

from detection.phantom.scene import Scene, Shot, Truth, play
from detection.phantom.script import arrangement
from detection.vocabulary import Intensity
from dicom_gateway import sop_classes
from dicom_gateway.due import Due

MAGNIFICATION = 1.4
SID_MM = 1000.0
_INTENSITY_WORDS = {Intensity.LINEAR: "LIN", Intensity.LOG: "LOG", Intensity.DISPLAY: "DISP"}


class Form(StrEnum):
    """As which kind of object a frame leaves the device."""

    XA = "xa"
    XRF = "xrf"
    SC = "sc"
    SC_MONOCHROME1 = "sc_monochrome1"
    RGB = "rgb"


_CLASSES = {
    Form.XA: sop_classes.XA,
    Form.XRF: sop_classes.XRF,
    Form.SC: sop_classes.SC,
    Form.SC_MONOCHROME1: sop_classes.SC,
    Form.RGB: sop_classes.SC,
}
_MODALITIES = {Form.XA: "XA", Form.XRF: "RF"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What the objects of one study share. UIDs derive from ``study_uid``; ``started_at`` None: no times told."""

    scene: Scene
    study_uid: str
    form: Form
    transfer_syntax: str
    started_at: float | None

    def uid(self, *parts: object) -> UID:
        """A UID of this study that the same parts always give."""
        return generate_uid(entropy_srcs=[self.study_uid, self.form, *map(str, parts)])


def study_of(
    scene: Scene,
    *,
    seed: int | None = None,
    study_uid: str | None = None,
    as_: str = Form.XA,
    transfer_syntax: str = sop_classes.EXPLICIT_LE,
    started_at: float | None = None,
) -> Iterator[Due]:
    """One single-frame object per frame, each due when the frame is made. A new study UID unless one is given."""
    for due, _ in _shots_of(_study(scene, seed, study_uid, as_, transfer_syntax, started_at)):
        yield due


def shots_of(
    scene: Scene,
    *,
    seed: int | None = None,
    study_uid: str | None = None,
    as_: str = Form.XA,
    transfer_syntax: str = sop_classes.EXPLICIT_LE,
    started_at: float | None = None,
) -> Iterator[tuple[Due, Shot]]:
    """As ``study_of``, each object with the shot it was made from, so that the truth is at hand."""
    yield from _shots_of(_study(scene, seed, study_uid, as_, transfer_syntax, started_at))


def run_of(
    scene: Scene,
    *,
    seed: int | None = None,
    study_uid: str | None = None,
    as_: str = Form.XA,
    transfer_syntax: str = sop_classes.EXPLICIT_LE,
    started_at: float | None = None,
) -> Dataset:
    """The whole scene as one multi-frame object, as a cine run is exported."""
    study = _study(scene, seed, study_uid, as_, transfer_syntax, started_at)
    stored = np.stack([_stored(shot.pixels, study) for shot in play(study.scene)])
    dataset = _object(study, "run", 1, 0.0)
    dataset.NumberOfFrames = len(stored)
    dataset.FrameTime = f"{1000 / study.scene.frame_rate:.6g}"
    dataset.FrameIncrementPointer = 0x00181063
    return _with_pixels(dataset, stored, study)


def write_phantom(scene: Scene, folder: Path, **guise: Any) -> Path:
    """Write a scene's objects and ``truth.json`` into ``folder``; the path of the latter. ``guise`` as for ``study_of``."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {"seed": None, "study_uid": None, "as_": Form.XA, "transfer_syntax": sop_classes.EXPLICIT_LE}
    study = _study(scene, **(values | {"started_at": None} | guise))
    frames = []
    for due, shot in _shots_of(study):
        assert isinstance(due.content, Dataset)  # noqa: S101 - they are composed here
        name = f"{shot.index:05d}.dcm"
        due.content.save_as(folder / name, enforce_file_format=True)
        frames.append({"file": name, "sop_instance_uid": str(due.content.SOPInstanceUID)} | truth_of(shot))
    said = study.scene
    about = {"scene": said.name, "seed": said.seed, "view": said.view, "level": said.level, "mm_per_px": said.mm_per_px}
    truth = folder / "truth.json"
    text = json.dumps(about | {"frame_rate": said.frame_rate, "study": study.study_uid, "frames": frames}, indent=1)
    truth.write_text(text, encoding="utf-8")
    return truth


def truth_of(shot: Shot) -> dict[str, Any]:
    """What is true of one frame, as JSON: millilitres, mm, and pixels (row, col)."""
    truth: Truth = shot.truth
    return {
        "index": shot.index,
        "time_s": shot.time_s,
        "leg": shot.leg,
        "is_clear": truth.is_clear,
        "volume_ml": truth.volume_ml,
        "distance_to_wall_mm": truth.distance_to_wall_mm,
        "leak_3d": truth.leak_3d,
        "leak_visible": truth.leak_visible,
        "zone_ml": {str(zone): volume for zone, volume in truth.zone_ml.items()},
        "zone_px": {str(zone): int(np.count_nonzero(mask)) for zone, mask in truth.zones.items()},
        "corners": asdict(truth.corners),
        "shift_px": truth.shift_px,
    }


def _study(
    scene: Scene, seed: int | None, study_uid: str | None, as_: str, transfer_syntax: str, started_at: float | None
) -> Study:
    return Study(
        scene=scene if seed is None else replace(scene, seed=seed),
        study_uid=study_uid or str(generate_uid()),
        form=Form(as_),
        transfer_syntax=transfer_syntax,
        started_at=started_at,
    )


def _shots_of(study: Study) -> Iterator[tuple[Due, Shot]]:
    for shot in play(study.scene):
        now = replace(study, scene=arrangement(study.scene, shot.leg))
        dataset = _object(now, shot.index, shot.index + 1, shot.time_s)
        whole = _with_pixels(dataset, _stored(shot.pixels, study), study)
        yield Due(offset_s=shot.time_s, content=whole), shot


def _object(study: Study, key: object, number: int, time_s: float) -> Dataset:
    """Everything but the pixels of one object."""
    scene, dataset = study.scene, Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = _CLASSES[study.form]
    dataset.SOPInstanceUID = study.uid("object", key)
    dataset.StudyInstanceUID = study.study_uid
    dataset.SeriesInstanceUID = study.uid("series")
    dataset.Modality = _MODALITIES.get(study.form, "XA")
    dataset.Manufacturer = "cementwatch"
    dataset.ManufacturerModelName = "phantom"
    dataset.StudyDescription = "Vertebroplasty phantom"
    dataset.SeriesDescription = scene.name
    dataset.PatientName = f"PHANTOM^{scene.name}"
    dataset.PatientID = "PHANTOM"
    for empty in (
        "PatientBirthDate",
        "PatientSex",
        "ReferringPhysicianName",
        "StudyID",
        "AccessionNumber",
        "Laterality",
    ):
        setattr(dataset, empty, "")
    dataset.PatientOrientation = None
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = number
    dataset.BurnedInAnnotation = "NO"
    _tell_time(dataset, study.started_at, time_s)
    if study.form in _MODALITIES:
        _tell_beam(dataset, study)
    else:
        dataset.ConversionType = "WSD"
        dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(sop_classes.EXPLICIT_LE)
    dataset.file_meta.MediaStorageSOPClassUID = UID(dataset.SOPClassUID)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _tell_time(dataset: Dataset, started_at: float | None, time_s: float) -> None:
    for empty in ("StudyDate", "StudyTime", "ContentDate", "ContentTime"):
        setattr(dataset, empty, "")
    if started_at is None:
        return
    begun = datetime.fromtimestamp(started_at, UTC)
    made = datetime.fromtimestamp(started_at + time_s, UTC)
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.StudyDate, dataset.StudyTime = f"{begun:%Y%m%d}", f"{begun:%H%M%S.%f}"
    for day, hour in (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime")):
        setattr(dataset, day, f"{made:%Y%m%d}")
        setattr(dataset, hour, f"{made:%H%M%S.%f}")


def _tell_beam(dataset: Dataset, study: Study) -> None:
    """Geometry and radiation of an X-ray object. An XRF positioner tells no angle of the arm."""
    scene = study.scene
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]
    dataset.KVP = f"{scene.chain.kvp:g}"
    dataset.RadiationSetting = "SC"
    dataset.RadiationMode = "PULSED"
    dataset.CineRate = round(scene.frame_rate)
    dataset.DistanceSourceToDetector = f"{SID_MM:g}"
    dataset.DistanceSourceToPatient = f"{SID_MM / MAGNIFICATION:.6g}"
    dataset.EstimatedRadiographicMagnificationFactor = f"{MAGNIFICATION:g}"
    dataset.ImagerPixelSpacing = [f"{scene.mm_per_px * MAGNIFICATION:.6g}"] * 2
    dataset.PixelIntensityRelationship = _INTENSITY_WORDS[scene.chain.intensity]
    if study.form is Form.XA:
        dataset.PositionerMotion = "STATIC"
        dataset.PositionerPrimaryAngle = f"{scene.primary_deg:g}"
        dataset.PositionerSecondaryAngle = f"{scene.secondary_deg:g}"
    if scene.chain.intensity is Intensity.LOG:
        dataset.ModalityLUTSequence = [_back_to_linear(scene.chain.bits)]


def _back_to_linear(bits: int) -> Dataset:
    """The LUT from the phantom's logarithmic values, ln from -4 to 2, to linear 16-bit values."""
    n_entries = 1 << bits
    linear = np.exp(np.arange(n_entries) / (n_entries - 1) * 6.0 - 4.0) / np.exp(2.0)
    item = Dataset()
    item.LUTDescriptor = [n_entries % 65536, 0, 16]
    item["LUTDescriptor"].VR = "US"
    item.ModalityLUTType = "US"
    item.add_new("LUTData", "OW", np.rint(linear * 65535).astype("<u2").tobytes())
    return item


def _stored(pixels: NDArray[np.uint16], study: Study) -> NDArray[Any]:
    """The frame in the values of its form: X-ray as it is, captures in 8 bits."""
    if study.form in _MODALITIES:
        return pixels
    shown = (pixels >> max(0, study.scene.chain.bits - 8)).astype(np.uint8)
    if study.form is Form.SC_MONOCHROME1:
        return np.asarray(255 - shown)
    return np.repeat(shown[..., None], 3, axis=2) if study.form is Form.RGB else shown


def _with_pixels(dataset: Dataset, stored: NDArray[Any], study: Study) -> Dataset:
    """``dataset`` with (n,) (H, W) or (H, W, 3) stored values, compressed when the syntax asks for it."""
    is_colour = study.form is Form.RGB
    is_wide = stored.dtype.itemsize == 2
    dataset.SamplesPerPixel = 3 if is_colour else 1
    dataset.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if study.form is Form.SC_MONOCHROME1:
        dataset.PhotometricInterpretation = "MONOCHROME1"
    if is_colour:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = study.scene.size
    dataset.BitsAllocated = 16 if is_wide else 8
    dataset.BitsStored = study.scene.chain.bits if is_wide else 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    is_lossy = study.scene.chain.jpeg_quality is not None
    dataset.LossyImageCompression = "01" if is_lossy else "00"
    if is_lossy:
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
    pixels = np.ascontiguousarray(stored, dtype="<u2" if is_wide else "u1").tobytes()
    dataset.add_new("PixelData", "OW" if is_wide else "OB", pixels + b"\0" * (len(pixels) % 2))
    if study.transfer_syntax in sop_classes.NATIVE:
        dataset.file_meta.TransferSyntaxUID = UID(study.transfer_syntax)
    else:
        dataset.compress(study.transfer_syntax, generate_instance_uid=False)
    return dataset
