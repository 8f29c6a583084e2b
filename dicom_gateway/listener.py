"""The application entity: C-ECHO and C-STORE, success only after the object is durable.

An association thread checks, spools and answers. No pixel is decoded here, no database is asked.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast

from pynetdicom import AE, _config, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import PresentationContext

from dicom_gateway import guard, sop_classes
from dicom_gateway.arrival import Arrival, Duplicate, Origin, hash_of
from dicom_gateway.callers import DISK_LOW, Callers
from dicom_gateway.door import Door, Limits
from dicom_gateway.growing import Growing
from dicom_gateway.intake import Intake, Request, caller_of, origin_of
from dicom_gateway.progress import Herald
from dicom_gateway.prompt import MAX_PDU, STALL_S
from dicom_gateway.reception import Reception, SpoolingServer, hang_up
from dicom_gateway.refusal import NotYou, Refusal, TryLater, Unreadable
from dicom_gateway.spool import Part, Spool
from dicom_gateway.workflow import Workflow

_config.LOG_HANDLER_LEVEL = "none"
# the library's own messages may quote identifiers
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)

LOG = logging.getLogger(__name__)
SUCCESS = 0x0000
ANYBODY = Callers(called="CEMENTWATCH")
DEFAULT_LIMITS = Limits()


class Listener:
    """Receives for one spool.

    ``on_arrival`` is called for each new arrival, after it is durable; ``on_frame`` when a run that is not whole yet has
    one more whole frame.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        callers: Callers = ANYBODY,
        host: str = "127.0.0.1",
        port: int = 11112,
        limits: Limits = DEFAULT_LIMITS,
        tls: ssl.SSLContext | None = None,
        min_free_bytes: int = 512 * 2**20,
        max_object_bytes: int = 4096 * 2**20,
        on_arrival: Callable[[Arrival], None] = lambda _: None,
        workflow: Workflow | None = None,
        on_frame: Callable[[], object] = lambda: None,
        log: logging.Logger = LOG,
    ) -> None:
        self._spool = spool
        self._address = (host, port)
        self._door = Door(callers, limits, clock=time.monotonic, note=self._note_turned_away, tls=tls)
        self._limits = (max_object_bytes, min_free_bytes)
        self._on_arrival = on_arrival
        self._herald = Herald(spool=spool, growing=Growing(spool.folder), now_ns=time.time_ns, ring=on_frame)
        self._log = log
        self._counts: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._server: SpoolingServer | None = None
        self._ae = AE(ae_title=callers.called)
        self._ae.require_called_aet = True
        # the door counts; the library would count those that are still closing
        self._ae.maximum_associations = 2 * limits.n_associations
        self._ae.maximum_pdu_size = MAX_PDU
        self._ae.network_timeout = 2 * STALL_S
        self._ae.add_supported_context(sop_classes.VERIFICATION, list(sop_classes.NATIVE))
        for uid in sorted(sop_classes.IMAGES):
            self._ae.add_supported_context(uid, [*sop_classes.NATIVE, *sop_classes.COMPRESSED])
        for uid in sorted(sop_classes.KEPT):
            self._ae.add_supported_context(uid, list(sop_classes.NATIVE))
        self._workflow = workflow
        if workflow is not None:
            workflow.add_contexts(self._ae)

    def start(self) -> None:
        """Sweep what a crash left behind, bind, and serve in threads of our own. OSError when the port is taken."""
        n_swept = self._spool.sweep() + self._herald.growing.sweep()
        server = self._ae.make_server(
            self._address,
            evt_handlers=[
                (evt.EVT_REQUESTED, self._admit),
                (evt.EVT_ACCEPTED, self._note_contexts),
                (evt.EVT_REJECTED, self._note_rejected),
                (evt.EVT_ABORTED, self._note_aborted),
                (evt.EVT_C_ECHO, self._answer_echo),
                (evt.EVT_C_STORE, self._answer_store),
                *(self._workflow.answers if self._workflow is not None else ()),
            ],
            server_class=SpoolingServer,
            request_handler=Reception,
        )
        self._server = cast("SpoolingServer", server)
        self._server.spool, self._server.limits, self._server.door = self._spool, self._limits, self._door
        self._server.herald, self._server.take = self._herald, self._take
        self._door.let_in = self._server.let_in
        self._door.open()
        self._ae._servers.append(self._server)  # noqa: SLF001 - a server of one's own class is not entered by itself
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="listener", daemon=True).start()
        self._log.info("listening", extra={"port": self.port, "n_swept": n_swept})

    def stop(self) -> None:
        """Abort what is open and close the port. What was answered with success stays."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None
            self._door.close()
            hang_up(self._ae.active_associations, self._door.clock)

    @property
    def port(self) -> int:
        """The port that is bound; the one asked for while stopped."""
        return self._address[1] if self._server is None else int(self._server.socket.getsockname()[1])  # type: ignore[union-attr]

    def counts(self) -> Mapping[str, int]:
        """What happened so far: stored, duplicate, refused_A700 ..., rejected, aborted, contexts_refused."""
        with self._counting:
            return dict(self._counts)

    def _count(self, what: str) -> None:
        with self._counting:
            self._counts[what] += 1

    def _note_turned_away(self, what: str, told: Mapping[str, object]) -> None:
        self._count(what)
        if told:
            self._log.warning("connection turned away", extra=dict(told))

    def _admit(self, event: evt.Event) -> None:
        """Spare a sender its data while the disk is low; it tries again later. C-ECHO and the like go on."""
        asked = {str(each.abstract_syntax) for each in _wanted(event)}
        if asked <= sop_classes.IMAGES | sop_classes.KEPT and self._is_short_of_disk():
            event.assoc.acse.send_reject(*DISK_LOW[:3])
            self._note_rejected(event, reason=DISK_LOW.reason)
            event.assoc.kill()

    def _note_contexts(self, event: evt.Event) -> None:
        refused = [
            {
                "sop_class": str(each.abstract_syntax),
                "transfer_syntax": str(each.transfer_syntax[0]),
                "result": each.result,
            }
            for each in event.assoc.rejected_contexts
        ]
        if refused:
            self._count("contexts_refused")
            self._log.warning("contexts refused", extra={"source": _caller(event), "contexts": refused})

    def _note_rejected(self, event: evt.Event, reason: str = "") -> None:
        self._count("rejected")
        self._log.warning("association rejected", extra={"source": _caller(event), "reason": reason})

    def _note_aborted(self, event: evt.Event) -> None:
        self._count("aborted")
        self._log.warning("association aborted", extra={"source": _caller(event)})

    def _answer_echo(self, event: evt.Event) -> int:
        self._log.debug("echo", extra={"source": _caller(event)})
        return SUCCESS

    def _answer_store(self, event: evt.Event) -> int:
        """One object whose request the library has read."""
        asked = cast("C_STORE", event.request)
        request = Request(
            caller=_caller(event),
            announced=guard.Announced(
                sop_class_uid=str(asked.AffectedSOPClassUID),
                sop_instance_uid=str(asked.AffectedSOPInstanceUID),
                transfer_syntax_uid=str(event.context.transfer_syntax),
            ),
            abstract_syntax=str(event.context.abstract_syntax),
        )
        # where the messages of the association have put it
        return self._take(request, cast("Intake | None", asked._dataset_file))  # noqa: SLF001

    def _take(self, request: Request, intake: Intake | None) -> int:
        """The status of one object. Whatever goes wrong is an answer, never silence."""
        origin = origin_of(request.caller, request.announced.sop_instance_uid, time.time_ns())
        extra: dict[str, Any] = {"source": origin.source, "uid": hash_of(origin.sop_instance_uid)}
        try:
            self._store(request, origin, intake)
        except Refusal as refusal:
            self._count(f"refused_{refusal.status:04X}")
            is_kept = self._keep_aside(intake, origin, refusal)
            extra |= {"status": f"0x{refusal.status:04X}", "reason": refusal.reason, "is_kept": is_kept}
            self._log.warning("object refused", extra=extra)
            return refusal.status
        except Exception as error:  # noqa: BLE001 - a sender must get an answer, and the next object its chance
            self._count("failed")
            # the text of a foreign error may quote the object
            self._log.error("object failed", extra=extra | {"error": type(error).__name__})
            return Unreadable.status
        return SUCCESS

    def _store(self, request: Request, origin: Origin, intake: Intake | None) -> None:
        if intake is None:
            raise Unreadable("no data set")
        if intake.trouble == "size":
            raise Unreadable("larger than the limit")
        if intake.trouble is not None or intake.part is None:
            raise TryLater("the disk is filling")
        if request.announced.sop_class_uid != request.abstract_syntax:
            raise NotYou("a SOP class other than the context's")
        known = None if intake.progress is None else intake.progress.outline
        guard.check(intake.path, request.announced, max_bytes=self._limits[0], known=known)
        intake.end(is_kept=False)
        try:
            added = self._spool.add(intake.part, origin)
        except OSError as error:
            raise TryLater("the disk does not take it") from error
        self._tell(added)

    def _tell(self, added: Arrival | Duplicate) -> None:
        if isinstance(added, Duplicate):
            self._count("duplicate")
            self._log.info("object known", extra={"arrival": added.arrival.number, "source": added.arrival.source})
            return
        self._count("stored")
        extra = {"arrival": added.number, "source": added.source, "uid": added.uid_hash, "size": added.size}
        if added.has_rival:
            self._log.warning("object with the UID of another", extra=extra)
        self._log.debug("object stored", extra=extra)
        try:
            self._on_arrival(added)
        except Exception as error:  # noqa: BLE001 - the object is durable: its sender is told of success all the same
            self._log.error("the arrival could not be announced", extra=extra | {"error": type(error).__name__})

    def _keep_aside(self, intake: Intake | None, origin: Origin, refusal: Refusal) -> bool:
        """Keep what cannot be used; what is merely too much for now its sender will bring again."""
        part: Part | None = intake.part if intake is not None else None
        if part is None or isinstance(refusal, TryLater) or self._is_short_of_disk():
            return False
        try:
            cast("Intake", intake).end(is_kept=True)
            return self._spool.quarantine(part, origin, refusal.reason, refusal.status) is not None
        except OSError:
            return False

    def _is_short_of_disk(self) -> bool:
        try:
            return self._spool.free_bytes() < self._limits[1]
        except OSError:
            return True


def _wanted(event: evt.Event) -> list[PresentationContext]:
    """The contexts that are asked for."""
    primitive = event.assoc.requestor.primitive
    return [] if primitive is None else primitive.presentation_context_definition_list


def _caller(event: evt.Event) -> str:
    return caller_of(event.assoc)
