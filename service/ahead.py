"""Packed frames are decoded on the side: one source that takes long, or harms its decoder, delays no other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple

from detection.vocabulary import Frame
from dicom_gateway.arrival import Arrival
from dicom_gateway.decoding import Bounds, Decoder
from dicom_gateway.frames import Film, is_packed
from dicom_gateway.header import Header
from service.settings import Settings


def bounds_of(settings: Settings) -> Bounds:
    """What one frame may take."""
    return Bounds(n_bytes=settings.decode_mb * 2**20, within_s=settings.decode_within_s)


class Lane(NamedTuple):
    """The decoder of one source, and the thread that waits for it."""

    decoder: Decoder
    thread: ThreadPoolExecutor


class Lanes:
    """A lane for each source that sends packed frames. ``ring`` is called when a frame has been decoded."""

    def __init__(self, settings: Settings, ring: Callable[[], object]) -> None:
        self._bounds, self._ring = bounds_of(settings), ring
        self._lanes: dict[str, Lane] = {}

    def submit(self, source: str, decode: Callable[[Decoder], Frame]) -> Future[Frame]:
        """Begin with one frame of this source."""
        if source not in self._lanes:
            self._lanes[source] = Lane(Decoder(self._bounds), ThreadPoolExecutor(1, f"decode-{len(self._lanes)}"))
        lane = self._lanes[source]
        future = lane.thread.submit(decode, lane.decoder)
        future.add_done_callback(lambda _: self._ring())
        return future

    def keep(self, sources: set[str]) -> None:
        """End the lanes of all other sources."""
        for source in [source for source in self._lanes if source not in sources]:
            lane = self._lanes.pop(source)
            lane.thread.shutdown(wait=False)
            lane.decoder.close()


class Ahead:
    """The frames of one film in order, the next packed one begun before it is asked for."""

    def __init__(self, arrival: Arrival, header: Header, lanes: Lanes) -> None:
        self._arrival, self._header, self._lanes = arrival, header, lanes
        self._is_packed = is_packed(header)
        self._begun: tuple[int, Future[Frame]] | None = None

    @cached_property
    def film(self) -> Film:
        """The object's frames. Raises ``Undecodable``."""
        return Film(self._arrival, self._header)

    def is_ready(self, index: int) -> bool:
        """Whether frame ``index`` can be had at once, or what is wrong with it be told; else it has been begun."""
        return not self._is_packed or self._ask(index).done()

    def take(self, index: int, n_there: int) -> Frame:
        """Frame ``index`` of ``n_there`` that are whole. Raises ``Undecodable``."""
        if not self._is_packed:
            return self.film.frame(index, None)
        frame = self._ask(index).result()
        if index + 1 < n_there:
            self._ask(index + 1)
        return frame

    def _ask(self, index: int) -> Future[Frame]:
        if self._begun is None or self._begun[0] != index:
            self._begun = (
                index,
                self._lanes.submit(self._arrival.source, lambda decoder: self.film.frame(index, decoder)),
            )
        return self._begun[1]
