"""A peer over DICOM: how to reach it, and whether it answers."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pynetdicom import AE, _config, build_context, evt
from pynetdicom.pdu import A_ASSOCIATE_RJ

from dicom_gateway import sop_classes
from dicom_gateway.prompt import MAX_PDU, PromptSocket, make_prompt, wait_in_socket
from dicom_gateway.refusal import Unreachable

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.transport import AddressInformation, AssociationSocket

_config.LOG_HANDLER_LEVEL = "none"
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)

CONNECT_S = 10
ANSWER_S = 60
Offer = tuple[str, str]
"""SOP class and transfer syntax, each pair a context of its own so that nothing is sent in another syntax."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Address of an application entity, its title, the title we call with, and TLS where it speaks that."""

    host: str
    port: int
    called: str = "CEMENTWATCH"
    calling: str = "CEMENTWATCH"
    tls: ssl.SSLContext | None = None


class _Caller(AE):
    """An entity whose sockets send small messages at once: else a delayed acknowledgement costs 40 ms an object."""

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: tuple[ssl.SSLContext, str] | None
    ) -> AssociationSocket:
        prompt = PromptSocket(assoc, address=address)
        if prompt.socket is not None:
            make_prompt(prompt.socket)
        prompt.tls_args = tls_args
        wait_in_socket(assoc.dul)
        return prompt


@contextmanager
def associated(
    peer: Peer, offers: Iterable[Offer], *, roles: Iterable[Any] = (), handlers: Iterable[Any] = ()
) -> Iterator[Association]:
    """An association for these contexts, with role selection and handlers where a service needs them. Raises ``Unreachable`` when the peer does not answer or refuses us."""
    entity = _Caller(ae_title=peer.calling)
    entity.maximum_pdu_size = MAX_PDU
    entity.connection_timeout = CONNECT_S
    entity.acse_timeout = CONNECT_S
    entity.dimse_timeout = ANSWER_S
    contexts = [build_context(sop_class, syntax) for sop_class, syntax in offers]
    rejections: list[Any] = []

    def note(event: evt.Event) -> None:
        if isinstance(event.pdu, A_ASSOCIATE_RJ):
            rejections.append(event.pdu)

    association = entity.associate(
        peer.host,
        peer.port,
        contexts=contexts,
        ae_title=peer.called,
        max_pdu=MAX_PDU,
        ext_neg=list(roles),
        evt_handlers=[(evt.EVT_PDU_RECV, note), *handlers],
        tls_args=None if peer.tls is None else (peer.tls, peer.host),
    )
    if not association.is_established:
        # the library itself takes a rejection that comes at once for a connection that failed
        is_refused = association.is_rejected or rejections
        reason = "the peer refuses the association" if is_refused else "the peer does not answer"
        raise Unreachable(reason)
    _leave_answers_to_callers(association)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def _leave_answers_to_callers(association: Association) -> None:
    """Let only blocking calls read messages: pynetdicom's reactor may else take an answer that a caller waits for.

    It passes its checkpoint, is interrupted, and then reads what was sent to us meanwhile (3.0.4); the call ends
    unanswered after a minute although the object is stored.
    """
    read = association.dimse.get_msg

    def read_for_caller(block: bool = False) -> tuple[Any, Any]:  # noqa: FBT001, FBT002 - the shape it replaces
        return read(block=True) if block else (None, None)

    association.dimse.get_msg = read_for_caller  # type: ignore[method-assign]


def echo(peer: Peer) -> bool:
    """Whether the peer answers a C-ECHO with success."""
    return asked_echo(peer) is None


def asked_echo(peer: Peer) -> str | None:
    """None when the peer answers a C-ECHO with success; else why not, a fixed phrase."""
    try:
        with associated(peer, [(sop_classes.VERIFICATION, sop_classes.IMPLICIT_LE)]) as association:
            is_answered = association.send_c_echo().get("Status") == 0
    except Unreachable as trouble:
        return trouble.reason
    return None if is_answered else "the peer does not answer C-ECHO with success"
