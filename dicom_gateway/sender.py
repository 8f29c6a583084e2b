"""Plays objects to a peer over C-STORE, each at its due time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import _config
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from dicom_gateway import sop_classes
from dicom_gateway.due import Due
from dicom_gateway.peer import Offer, Peer, associated
from dicom_gateway.prompt import MAX_PDU

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.presentation import PresentationContext

# a file goes out as it is, read piece by piece; the library would decode and encode it anew
_config.STORE_SEND_CHUNKED_DATASET = True

MAX_OFFERS = 127
CONTEXT_REFUSED = 0x0122


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one object; times are those of the clock given. ``status`` None: the association broke.

    ``fault``: what was done to it on purpose.
    """

    sop_instance_uid: str
    status: int | None
    due_at: float
    sent_at: float
    answered_at: float
    fault: str | None = None


class StoreLine:
    """An association that is made anew when an object needs a context that has not been offered yet."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._offers: dict[Offer, None] = {}
        self._stack = ExitStack()
        self._association: Association | None = None

    def store(self, content: Path | Dataset, offer: Offer) -> int | None:
        """The status of one object, None when the association broke. Raises ``Unreachable``."""
        association = self._for(offer)
        if offer not in {_offer_of(each) for each in association.accepted_contexts}:
            return CONTEXT_REFUSED
        try:
            status = association.send_c_store(content).get("Status")
        except RuntimeError:  # the peer has gone between two objects
            status = None
        if status is None:
            self.close()
        return None if status is None else int(status)

    def abort(self, content: Path | Dataset, offer: Offer) -> None:
        """Send half of an object, and then A-ABORT. Raises ``Unreachable``."""
        association = self._for(offer)
        agreed = next((each for each in association.accepted_contexts if _offer_of(each) == offer), None)
        if agreed is None or agreed.context_id is None:
            return
        pieces = list(
            _store_message(content).encode_msg(agreed.context_id, association.acceptor.maximum_length or MAX_PDU)
        )
        for piece in pieces[: max(2, len(pieces) // 2)]:
            association.dul.send_pdu(piece)
        association.abort()
        self.close()

    def _for(self, offer: Offer) -> Association:
        if self._association is not None and offer in self._offers and self._association.is_established:
            return self._association
        self.close()
        if len(self._offers) >= MAX_OFFERS:
            self._offers.clear()
        self._offers[offer] = None
        # verification keeps the association when the peer takes none of our classes: that is an answer of its own
        offers = [(sop_classes.VERIFICATION, sop_classes.IMPLICIT_LE), *self._offers]
        self._association = self._stack.enter_context(associated(self._peer, offers))
        return self._association

    def close(self) -> None:
        """Release what is open."""
        self._stack.close()
        self._association = None


def send(
    due: Iterable[Due],
    peer: Peer,
    *,
    speed: float | None = 1.0,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[Sent]:
    """Send each object when it is due: ``speed`` times the original pace, or None for as fast as possible.

    Lateness is never made up by dropping. Raises ``Unreachable`` when no association can be made.
    """
    line, began = StoreLine(peer), None
    try:
        for item in due:
            began = clock() if began is None else began
            due_at = began if speed is None else began + item.offset_s / speed
            ahead = due_at - clock()
            if ahead > 0:
                sleep(ahead)
            uid, offer = _identity(item.content)
            sent_at = clock()
            status = None
            if item.fault == "abort":
                line.abort(item.content, offer)
            else:
                status = line.store(item.content, offer)
            yield Sent(
                sop_instance_uid=uid,
                status=status,
                due_at=sent_at if speed is None else due_at,
                sent_at=sent_at,
                answered_at=clock(),
                fault=item.fault,
            )
    finally:
        line.close()


def _offer_of(context: PresentationContext) -> Offer:
    return str(context.abstract_syntax), str(context.transfer_syntax[0])


def _store_message(content: Path | Dataset) -> C_STORE_RQ:
    """The request to store an object, data set and all."""
    uid, (sop_class, _) = _identity(content)
    whole = BytesIO()
    dataset = pydicom.dcmread(content) if isinstance(content, Path) else content
    is_implicit = str(dataset.file_meta.TransferSyntaxUID) == sop_classes.IMPLICIT_LE
    encoded = encode(dataset, is_implicit, True)
    whole.write(encoded or b"")
    whole.seek(0)
    request, message = C_STORE(), C_STORE_RQ()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = UID(sop_class), UID(uid)
    request.DataSet = whole
    message.primitive_to_message(request)
    return message


def _identity(content: Path | Dataset) -> tuple[str, Offer]:
    if isinstance(content, Dataset):
        offer = (str(content.SOPClassUID), str(content.file_meta.TransferSyntaxUID))
        return str(content.SOPInstanceUID), offer
    meta = pydicom.filereader.read_file_meta_info(content)
    offer = (str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID))
    return str(meta.MediaStorageSOPInstanceUID), offer
