"""The alert frames as a Key Object Selection (PS3.16 TID 2010), so that a reader need not look for them."""

from __future__ import annotations

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicom_gateway.report.forms import Form
from dicom_gateway.report.heads import evidence_of, finish, identity, observer_of
from dicom_gateway.report.nouns import Report


def key_objects(report: Report) -> tuple[KeyObjectSelectionDocument, ...]:
    """One document that names every alert frame; none where there was no alert."""
    numbers: dict[str, list[int]] = {}
    for frame in report.frames:
        if frame.is_alert:
            numbers.setdefault(frame.source.sop_instance_uid, []).append(frame.index + 1)
    images = [image for image in evidence_of(report) if image.SOPInstanceUID in numbers]
    if not images:
        return ()
    content = KeyObjectSelection(
        document_title=codes.DCM.OfInterest,
        referenced_objects=images,
        observer_device_context=observer_of(report.maker),
        description=f"Frames on which alerts were raised or worsened. {report.words}",
    )
    made = KeyObjectSelectionDocument(evidence=images, content=content, **identity(report, Form.KOS, 1))
    runs = {frame.source.sop_instance_uid for frame in report.frames if frame.source.n_frames > 1}
    for item in made.ContentSequence:
        _name_frames(item, {uid: sorted(set(numbers[uid])) for uid in runs & set(numbers)})
    finish(made, report)
    return (made,)


def _name_frames(item: Dataset, numbers: dict[str, list[int]]) -> None:
    """highdicom names whole objects; of a run only some frames are meant."""
    for reference in item.get("ReferencedSOPSequence", ()):
        if reference.ReferencedSOPInstanceUID in numbers:
            reference.ReferencedFrameNumber = numbers[reference.ReferencedSOPInstanceUID]
