"""The findings as a Comprehensive 3D SR by TID 1500 (PS3.16): one group for each sighting on each key frame.

Every statement is a machine's: the document is PARTIAL and UNVERIFIED, and stays so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    Comprehensive3DSR,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementProperties,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes

from dicom_gateway.report.codes import BOUNDS, Codebook, concept_of, unit_of
from dicom_gateway.report.concepts import FINDINGS, MEASURES, NOT_SEEN, places_of
from dicom_gateway.report.forms import Form
from dicom_gateway.report.heads import evidence_of, finish, frame_numbers, identity, observer_of
from dicom_gateway.report.naming import uid_of
from dicom_gateway.report.nouns import Coded, KeyFrame, Measure, Report, Sighting

Group = PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations


def structured_report(report: Report) -> Comprehensive3DSR:
    """The findings of ``report`` with outlines, numbers, sites, algorithm and words of safety."""
    book = Codebook(report.codes)
    groups = [_group(report, book, frame, sighting) for frame in report.frames for sighting in frame.sightings]
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer_of(report.maker)),
        procedure_reported=[codes.SCT.Fluoroscopy, book["VERTEBROPLASTY"]],
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    for words in (report.words, *report.remarks):
        content[0].ContentSequence.append(_comment(words))
    made = Comprehensive3DSR(
        evidence=evidence_of(report), content=content[0], record_evidence=True, **identity(report, Form.SR, 1)
    )
    finish(made, report)
    return made


def _group(report: Report, book: Codebook, frame: KeyFrame, sighting: Sighting) -> Group:
    """TID 1410 with its outline on the frame; TID 1501 for what has none."""
    tracking = TrackingIdentifier(uid=uid_of(report.procedure, sighting.id), identifier=sighting.id)
    said: dict[str, Any] = {
        "tracking_identifier": tracking,
        "finding_type": book[FINDINGS[sighting.kind] if sighting.is_seen else NOT_SEEN],
        "algorithm_id": _algorithm(report),
        "finding_sites": [FindingSite(concept_of(each)) for each in _sites(sighting)],
        "measurements": [_measurement(book, each) for each in sighting.measures],
        "qualitative_evaluations": _evaluations(book, sighting),
    }
    group: Group
    if len(sighting.outline) > 2:
        group = PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=_region(frame, sighting), **said)
    else:
        image = SourceImageForMeasurementGroup(
            frame.source.sop_class_uid, frame.source.sop_instance_uid, frame_numbers(frame)
        )
        group = MeasurementsAndQualitativeEvaluations(source_images=[image], **said)
    if sighting.words:
        group[0].ContentSequence.append(_comment(sighting.words))
    return group


def _sites(sighting: Sighting) -> tuple[Coded, ...]:
    return places_of(sighting.zone, sighting.level, sighting.side)


def _region(frame: KeyFrame, sighting: Sighting) -> ImageRegion:
    """A closed line. SCOORD counts (column, row) from the corner of the top-left pixel (PS3.3 C.18.6.1.2)."""
    rows_cols = np.asarray([*sighting.outline, sighting.outline[0]], np.float64)
    image = SourceImageForRegion(frame.source.sop_class_uid, frame.source.sop_instance_uid, frame_numbers(frame))
    return ImageRegion(
        graphic_type=GraphicTypeValues.POLYLINE, graphic_data=rows_cols[:, ::-1] + 0.5, source_image=image
    )


def _algorithm(report: Report) -> AlgorithmIdentification:
    maker = report.maker
    return AlgorithmIdentification(
        name=maker.name,
        version=maker.algorithm,
        parameters=[f"rules {maker.rules}"],
        family=codes.DCM.EmpiricalAlgorithm,
        manufacturer=maker.name,
    )


def _measurement(book: Codebook, measure: Measure) -> Measurement:
    name, unit = MEASURES[measure.name], unit_of(measure.unit)
    properties = None
    if measure.below is not None and measure.above is not None:
        properties = MeasurementProperties(
            lower_measurement_uncertainty=measure.below, upper_measurement_uncertainty=measure.above
        )
        for spread in properties:  # highdicom calls them numbers without a unit
            spread.MeasuredValueSequence[0].MeasurementUnitsCodeSequence = [unit]
    return Measurement(
        name=book[name] if isinstance(name, str) else concept_of(name),
        value=measure.value,
        unit=unit,
        derivation=BOUNDS[measure.bound] if measure.bound is not None else None,
        properties=properties,
    )


def _evaluations(book: Codebook, sighting: Sighting) -> list[QualitativeEvaluation]:
    told = (("ZONE", sighting.zone), ("SIDE", sighting.side), ("PRIORITY", sighting.priority))
    return [
        QualitativeEvaluation(name=book[name], value=book[f"{name}_{value.name}"])
        for name, value in told
        if value is not None
    ]


def _comment(words: str) -> TextContentItem:
    return TextContentItem(name=codes.DCM.Comment, value=words, relationship_type=RelationshipTypeValues.CONTAINS)
