"""The part that all objects of a report share: identity, patient and study, equipment, times, words of safety.

Patient and study are copied from the stored image; nothing about them is made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import highdicom
from highdicom import ContributingEquipment, SOPClass
from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import DA, TM

from dicom_gateway import sop_classes
from dicom_gateway.report.codes import Codebook
from dicom_gateway.report.forms import SERIES, Form
from dicom_gateway.report.naming import object_uid, series_uid, uid_of
from dicom_gateway.report.nouns import KeyFrame, Maker, Report, Source

_OTHER_CLASSES = frozenset(
    {sop_classes.SEG, sop_classes.COMPREHENSIVE_3D_SR, sop_classes.KOS, sop_classes.ENCAPSULATED_PDF}
)
"""Classes whose objects carry no Laterality."""


def identity(report: Report, form: Form, number: int) -> dict[str, Any]:
    """What highdicom asks of every object: where it belongs and who made it. ``number`` counts from 1."""
    series = SERIES[form]
    return {
        "series_instance_uid": series_uid(report, form),
        "series_number": series.number,
        "sop_instance_uid": object_uid(report, form, number),
        "instance_number": number,
        "manufacturer": report.maker.name,
        "manufacturer_model_name": report.maker.name,
        "software_versions": list(versions_of(report.maker)),
        "device_serial_number": report.maker.installation,
        "series_description": series.description,
        "specific_character_set": "ISO_IR 192",
    }


def blank(report: Report, form: Form, number: int) -> SOPClass:
    """An object of a class that highdicom cannot build of these images, with all that objects share."""
    named = identity(report, form, number)
    return SOPClass(
        study_instance_uid=report.study_instance_uid,
        sop_class_uid=SERIES[form].sop_class,
        modality=SERIES[form].modality,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **named,
    )


def finish(dataset: SOPClass, report: Report) -> SOPClass:
    """``dataset`` with patient, study, equipment, schemes and times; the very same one."""
    head, moment = report.head, moment_of(report)
    day, hour = DA(moment.date()), TM(moment.time())
    dataset.copy_patient_and_study_information(head)
    if "TimezoneOffsetFromUTC" in head:
        dataset.TimezoneOffsetFromUTC = head.TimezoneOffsetFromUTC
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = day, hour
    if "ContentDate" in dataset:
        dataset.ContentDate, dataset.ContentTime = day, hour
    dataset.CodingSchemeIdentificationSequence = Codebook(report.codes).schemes()
    dataset.ContributingEquipmentSequence = _equipment(report)
    if dataset.SOPClassUID not in _OTHER_CLASSES:
        dataset.Laterality = ""  # 2C: unknown, for a spine has no side
    dataset.file_meta.ImplementationVersionName = f"highdicom{highdicom.__version__}"[:16]
    return dataset


def _equipment(report: Report) -> list[ContributingEquipment]:
    """The device that made the images, as far as it told, and we who judged them (PS3.3 C.12.1)."""
    head, maker = report.head, report.maker
    ours = ContributingEquipment(
        maker.name,
        codes.DCM.ProcessingEquipment,
        manufacturer_model_name=maker.name,
        software_versions=list(versions_of(maker)),
        device_serial_number=maker.installation,
        contribution_description=report.words,
    )
    made = [ContributingEquipment.for_image_acquisition(head)] if head.get("Manufacturer") else []
    return [*made, ours]


def versions_of(maker: Maker) -> tuple[str, ...]:
    """Software, algorithm and rules, each named."""
    return (f"software {maker.software}"[:64], f"algorithm {maker.algorithm}", f"rules {maker.rules}")


def moment_of(report: Report) -> datetime:
    """The report's time in the zone of its images; without one, in the zone of this machine, as they are read."""
    offset = str(report.head.get("TimezoneOffsetFromUTC", "")).strip()
    moment = datetime.fromtimestamp(report.at, UTC)
    if len(offset) != 5 or not offset[1:].isdigit():
        return moment.astimezone().replace(tzinfo=None)
    sign = -1 if offset[0] == "-" else 1
    shift = sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    return moment.astimezone(timezone(shift)).replace(tzinfo=None)


def evidence_of(report: Report) -> list[Dataset]:
    """The images that a report rests on, as highdicom wants to be shown them; each once."""
    sources = {frame.source.sop_instance_uid: frame.source for frame in report.frames}
    return [_shown(source, report) for source in sources.values()]


def _shown(source: Source, report: Report) -> Dataset:
    """Patient and study are left empty here: highdicom refuses values that real devices send. ``finish`` copies them."""
    shown = Dataset()
    shown.SOPClassUID, shown.SOPInstanceUID = source.sop_class_uid, source.sop_instance_uid
    shown.StudyInstanceUID, shown.SeriesInstanceUID = report.study_instance_uid, source.series_instance_uid
    for empty in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(shown, empty, "")
    shown.StudyDate = shown.StudyTime = None
    shown.Rows, shown.Columns = source.rows, source.cols
    return shown


def frame_numbers(frame: KeyFrame) -> list[int] | None:
    """The number of a frame within its object, from 1; None for an object of one frame, which has no number."""
    return [frame.index + 1] if frame.source.n_frames > 1 else None


def observer_of(maker: Maker) -> ObserverContext:
    """We, as the device that observed (TID 1004)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=uid_of("device", maker.installation, maker.software),
        name=maker.name,
        manufacturer_name=maker.name,
        model_name=maker.name,
        serial_number=maker.installation,
    )
    return ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)


def instance_reference(source: Source) -> Dataset:
    """An item that names an image object (PS3.3 10.8)."""
    item = Dataset()
    item.ReferencedSOPClassUID = UID(source.sop_class_uid)
    item.ReferencedSOPInstanceUID = UID(source.sop_instance_uid)
    return item


def frame_reference(frame: KeyFrame) -> Dataset:
    """An item that names a frame of an image object (PS3.3 10.3)."""
    item = instance_reference(frame.source)
    numbers = frame_numbers(frame)
    if numbers is not None:
        item.ReferencedFrameNumber = numbers
    return item


def series_references(frames: tuple[KeyFrame, ...]) -> list[Dataset]:
    """The Referenced Series Sequence of these frames (PS3.3 C.12.2), every image once."""
    by_series: dict[str, dict[str, Dataset]] = {}
    for frame in frames:
        images = by_series.setdefault(frame.source.series_instance_uid, {})
        images.setdefault(frame.source.sop_instance_uid, instance_reference(frame.source))
    return [_series_item(series, images) for series, images in by_series.items()]


def _series_item(series: str, images: Mapping[str, Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = UID(series)
    item.ReferencedInstanceSequence = list(images.values())
    return item
