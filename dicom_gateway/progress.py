"""Tell others of the frames of a run while it is still on its way in.

The association thread reads the header once it is there, holds it against the guards, gives the part its name among
the growing runs, and rings when a frame has become whole. It decodes nothing. Whatever goes wrong here costs only the
early look: the object itself is received as it would have been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dicom_gateway import guard, sop_classes
from dicom_gateway.arrival import Origin
from dicom_gateway.framing import Framing
from dicom_gateway.growing import Growing
from dicom_gateway.guard import Announced
from dicom_gateway.header import Outline, read_outline
from dicom_gateway.refusal import GatewayError
from dicom_gateway.spool import Part, Spool
from dicom_gateway.walk import MAX_HEADER_BYTES

FIRST_LOOK_BYTES = 2**13
"""A plain header; a longer one is looked for again whenever the object has doubled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Herald:
    """Where growing runs are announced. ``ring`` is called from association threads, at the beginning and once for a frame."""

    spool: Spool
    growing: Growing
    now_ns: Callable[[], int]
    ring: Callable[[], object]


class Progress:
    """One object on its way in."""

    def __init__(self, herald: Herald, part: Part, announced: Announced, origin: Origin) -> None:
        self._herald, self._part, self._announced, self._origin = herald, part, announced, origin
        self.outline: Outline | None = None
        """What the header says, once it has been read; what is still to come changes nothing of it."""
        self._framing: Framing | None = None
        self._n_told = 0
        self._look_at: float = FIRST_LOOK_BYTES if announced.sop_class_uid in sop_classes.MULTI_FRAME else float("inf")

    def note(self) -> None:
        """The part has grown."""
        if self._part.size < self._look_at:
            return
        try:
            if self._framing is None:
                self._look()
            if self._framing is not None and (n_whole := self._framing.n_whole()) > self._n_told:
                self._n_told = n_whole
                self._herald.ring()
        except Exception:  # noqa: BLE001 - the object itself must be received whatever it is
            self._look_at = float("inf")

    def end(self, *, is_kept: bool) -> None:
        """The object has ended, whole or not; ``is_kept``: it is no arrival, and its whole frames shall stay."""
        self._look_at = float("inf")
        if self._framing is None:
            return
        self._framing.close()
        if is_kept and self._n_told:
            self._herald.growing.keep(self._part)
            self._herald.ring()

    def _look(self) -> None:
        """At the header; it is not whole yet when it cannot be read."""
        self.outline = outline = self._outline()
        if outline is None:
            self._look_at = 2 * self._part.size if self._part.size < MAX_HEADER_BYTES else float("inf")
            return
        if not self._may_be_judged(outline):
            self._look_at = float("inf")
            return
        self._framing = Framing(self._part.path, outline)
        self._herald.growing.announce(self._part, self._origin)
        self._look_at = 0
        self._herald.ring()  # whoever judges can get ready before there is anything to judge

    def _outline(self) -> Outline | None:
        try:
            outline = read_outline(self._part.path)
        except GatewayError:
            return None
        return None if outline.pixels is None else outline

    def _may_be_judged(self, outline: Outline) -> bool:
        """A run of frames that the guard would take, and of no object that is there already."""
        if outline.pixels is None or outline.n_frames < 2:
            return False
        guard.check_identity(outline, self._announced)
        guard.check_shape(outline)
        is_native = outline.transfer_syntax_uid in sop_classes.NATIVE
        if is_native and outline.pixels.n_bytes != guard.native_bytes(outline):
            return False
        if is_native == (outline.pixels.n_bytes is None):
            return False
        return not self._herald.spool.knows(self._origin)
