"""What happened to an alert as an HL7 version 2 message, ORU^R40: one OBX segment for each thing that is told.

Codes are ours and the standard's, never those of a profile that we have not read. No patient is named, as on every
second channel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from detection.vocabulary import Alert, Condition, Entry, Kind
from dicom_gateway.report.concepts import FINDINGS, MEASURES
from dicom_gateway.report.nouns import Coded, Name, Unit
from dicom_gateway.report.terms import OURS, SCHEME
from service.archives import Hl7Listener
from service.safety import SAFETY_WORDS

LONGEST = 4000
"""Letters of one field; more were never written by us."""
NOT_VERIFIED = "R"
"""Result status (table 0085): entered, not verified."""
_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_KINDS = {Kind.TECHNICAL: Coded(value="TECHNICAL", scheme=SCHEME, meaning="Something keeps cementwatch from seeing")}


def escaped(text: object) -> str:
    """Text as it may stand in a field: no delimiter, no control character, so nothing in it begins a segment or a message."""
    return _UNPRINTABLE.sub(" ", str(text)).strip()[:LONGEST].translate(_ESCAPES)


def time_of(at: float) -> str:
    """A moment as HL7 writes it (DTM), UTC with offset, to the millisecond."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y%m%d%H%M%S}.{moment.microsecond // 1000:03d}+0000"


def control_id(number: int) -> str:
    """The name of a message; a repetition has the same."""
    return f"CW{number}"


def coded(told: Coded) -> str:
    """A code with its meaning and scheme (CWE)."""
    return "^".join(escaped(part) for part in (told.value, told.meaning, told.scheme))


class Scribe:
    """Writes the messages of one installation for one listener. ``terms`` are the site's, by the codes of ours."""

    def __init__(self, listener: Hl7Listener, installation: str, terms: Mapping[str, Coded]) -> None:
        self._listener, self._installation, self._terms = listener, installation, terms

    def message(self, entry: Entry, alert: Alert) -> bytes:
        """One change of one alert, in UTF-8; segments end with carriage returns."""
        observations = [
            "|".join(["OBX", str(place), *told, *[""] * 4, NOT_VERIFIED, "", "", time_of(entry.at)])
            for place, told in enumerate(self._observations(entry, alert), start=1)
        ]
        return "".join(f"{each}\r" for each in (self._head(entry), self._order(entry, alert), *observations)).encode()

    def _head(self, entry: Entry) -> str:
        listener = self._listener
        names = ("CEMENTWATCH", self._installation, listener.application, listener.facility)
        last = (
            "ORU^R40^ORU_R40",
            control_id(entry.number or 0),
            listener.processing,
            "2.6",
            *[""] * 5,
            "UNICODE UTF-8",
        )
        return "|".join(["MSH", r"^~\&", *map(escaped, names), time_of(entry.at), "", *last])

    def _order(self, entry: Entry, alert: Alert) -> str:
        """The alert: its id is the filler's number, the same in every message about it."""
        number, kind = f"{escaped(alert.id)}^CEMENTWATCH", coded(self._kind(alert))
        changed = time_of(entry.at)
        return "|".join(
            ["OBR", "1", "", number, kind, "", "", time_of(alert.raised_at), *[""] * 14, changed, "", "", NOT_VERIFIED]
        )

    def _observations(self, entry: Entry, alert: Alert) -> Iterator[tuple[str, str, str, str, str]]:
        """Type, identifier, sub-identifier, value and unit of each OBX."""
        is_over = alert.condition is Condition.ABSENT
        frame = entry.frame or alert.last_frame
        words = {
            "EVENT": entry.type,
            "MESSAGE": alert.message,
            "CONDITION": "ended" if is_over else alert.condition,
            "SIGNAL": alert.signal,
            "VALIDITY": alert.validity,
            "VIEW": alert.view,
            "LEVEL": alert.level,
            "MODE": alert.mode,
            "TECHNICAL_CAUSE": alert.technical_cause,
            "ESCALATION": alert.escalation or None,
            "CAUSE": entry.cause,
            "ACTOR": entry.actor,
            "SOURCE": alert.source,
            "PROCEDURE": alert.procedure,
            "FRAME": None if frame is None else f"{frame.sop_instance_uid} {frame.index + 1}",
            "SAFETY": SAFETY_WORDS,
        }
        for name, value in (("ZONE", alert.zone), ("SIDE", alert.side), ("PRIORITY", alert.priority)):
            if value is not None:
                yield "CWE", coded(self._term(name)), "", coded(self._term(f"{name}_{value.name}")), ""
        yield from self._numbers(alert)
        for name, told in words.items():
            if told is not None and (text := escaped(told)):
                yield "ST", coded(self._term(name)), "", text, ""

    def _numbers(self, alert: Alert) -> Iterator[tuple[str, str, str, str, str]]:
        to_wall = alert.seconds_to_wall
        told = (
            (Name.AREA, alert.area_mm2, Unit.MM2),
            (Name.LENGTH, alert.length_mm, Unit.MM),
            (Name.DISTANCE_TO_WALL, alert.distance_to_wall_mm, Unit.MM),
            (Name.SPEED, alert.speed_mm_s, Unit.MM_S),
            (Name.TIME_TO_WALL, None if to_wall is None else to_wall.value, Unit.S),
            (Name.TRUST, alert.trust, Unit.RATIO),
        )
        for name, value, unit in told:
            if value is not None:
                code = MEASURES[name]
                shown = coded(self._term(code) if isinstance(code, str) else code)
                yield "NM", shown, "", f"{value:.3f}".rstrip("0").rstrip("."), f"{unit.value}^{unit.value}^UCUM"

    def _kind(self, alert: Alert) -> Coded:
        return _KINDS.get(alert.kind) or self._term(FINDINGS[alert.kind])

    def _term(self, value: str) -> Coded:
        meaning = value.replace("_", " ").capitalize()
        return self._terms.get(value) or OURS.get(value) or Coded(value=value, scheme=SCHEME, meaning=meaning)
