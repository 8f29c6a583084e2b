"""Frames as pictures: read from the spool, never judged here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from db import arrivals, queries
from detection.picture import LARGEST_WIDTH, SMALLEST_WIDTH, Gray8, display_of, draw
from detection.vocabulary import Entry
from dicom_gateway.decoding import Decoder
from dicom_gateway.frames import frames_of
from dicom_gateway.header import read_header
from dicom_gateway.refusal import GatewayError
from service.ahead import bounds_of
from service.api.deps import Deps, DepsHere
from service.api.errors import Refused, not_found
from service.api.procedures import find
from service.marks import marks_of
from service.whereabouts import find_object

N_KEPT = 24
"""Decoded pictures kept: several screens ask for the same newest frames."""

Overlay = Annotated[bool, Query(description="Draw cement, zones and vertebral body over the frame.")]
Width = Annotated[
    int | None,
    Query(ge=SMALLEST_WIDTH, le=LARGEST_WIDTH, description="Width of the picture; px. Without it, the frame's own."),
]
JPEG: dict[int | str, dict[str, Any]] = {200: {"description": "JPEG.", "content": {"image/jpeg": {}}}}

router = APIRouter(tags=["frames"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a picture is wanted."""

    overlay: bool
    width: int | None


class Shelf:
    """The last decoded frames, (H, W) uint8. One frame is decoded at a time, so that screens never starve the analysis."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int], Gray8] = OrderedDict()
        self._lock = threading.Lock()
        self._decoder: Decoder | None = None

    def get(self, deps: Deps, number: int, index: int) -> Gray8:
        """Frame ``index`` of arrival ``number``; Refused when it cannot be had."""
        with self._lock:
            if (number, index) not in self._kept:
                self._kept[number, index] = self._decode(deps, number, index)
            self._kept.move_to_end((number, index))
            while len(self._kept) > N_KEPT:
                self._kept.popitem(last=False)
            return self._kept[number, index]

    def _decode(self, deps: Deps, number: int, index: int) -> Gray8:
        self._decoder = self._decoder or Decoder(bounds_of(deps.settings))
        arrival = find_object(deps.spool, deps.engine, number)
        if arrival is None:
            raise not_found("frame any more: its object has left the spool")
        try:
            frame = next(frames_of(arrival, read_header(arrival.path), start=index, decoder=self._decoder), None)
        except GatewayError as error:
            raise Refused(404, f"This frame cannot be shown: {error.reason}.", code="undecodable") from None
        if frame is None:
            raise not_found("frame in this object")
        return display_of(frame)


def _shelf_of(request: Request) -> Shelf:
    return cast("Shelf", request.app.state.shelf)


ShelfHere = Annotated[Shelf, Depends(_shelf_of)]


@router.get("/procedures/{id}/frames/latest.jpg", response_class=Response, responses=JPEG)
def get_latest(
    deps: DepsHere,
    shelf: ShelfHere,
    id: str,
    overlay: Overlay = True,  # noqa: FBT002 - a query parameter
    width: Width = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The newest judged frame of a procedure."""
    find(deps, id)
    entry = queries.latest_frame(deps.engine, id)
    if entry is None or entry.frame is None:
        raise not_found("frame in this procedure yet")
    tag = f'"{entry.number}-{int(overlay)}-{width or 0}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "X-Frame": f"{entry.frame.sop_instance_uid}/{entry.frame.index}",
    }
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    return picture((deps, shelf), entry, Look(overlay=overlay, width=width), headers)


@router.get("/frames/{sop_instance_uid}/{index}.jpg", response_class=Response, responses=JPEG)
def get_frame(
    deps: DepsHere,
    shelf: ShelfHere,
    sop_instance_uid: Annotated[str, Path(description="SOP Instance UID of the DICOM object.")],
    index: Annotated[int, Path(ge=0, lt=2**31, description="Frame within the object, zero-based.")],
    overlay: Overlay = False,  # noqa: FBT002 - a query parameter
    width: Width = None,
    procedure: Annotated[
        str | None, Query(description="As judged in this procedure; a replay judges a frame again.")
    ] = None,
) -> Response:
    """One frame; with overlay, as it was judged last."""
    entry = queries.frame_entry(deps.engine, sop_instance_uid, index, procedure)
    if entry is None:
        return _unjudged((deps, shelf), sop_instance_uid, index, width)
    headers = {"Cache-Control": "private, max-age=3600"}
    return picture((deps, shelf), entry, Look(overlay=overlay, width=width), headers)


def picture(place: tuple[Deps, Shelf], entry: Entry, look: Look, headers: Mapping[str, str]) -> Response:
    """The frame of a FRAME_SEEN entry as JPEG."""
    deps, shelf = place
    gray = shelf.get(deps, int(entry.data["arrival"]), entry.frame.index if entry.frame else 0)
    marks = marks_of(entry.data) if look.overlay else None
    told = {**headers, "X-Procedure": entry.procedure}
    return Response(draw(gray, marks, width=look.width), media_type="image/jpeg", headers=told)


def _unjudged(place: tuple[Deps, Shelf], sop_instance_uid: str, index: int, width: int | None) -> Response:
    """A frame that has been received and not judged (yet): the bare picture."""
    deps, shelf = place
    arrival = arrivals.arrival_of(deps.engine, sop_instance_uid)
    if arrival is None:
        raise not_found("frame")
    gray = shelf.get(deps, arrival.number, index)
    headers = {"Cache-Control": "no-cache"} | ({"X-Procedure": arrival.procedure} if arrival.procedure else {})
    return Response(draw(gray, width=width), media_type="image/jpeg", headers=headers)
