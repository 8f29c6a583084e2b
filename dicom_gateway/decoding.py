"""One compressed frame to its pixels, in a process that may take so much memory and so long (``decoder``)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from dicom_gateway import jpeg12, sop_classes
from dicom_gateway.decoder import DECODED, HEAD, LENGTH, NO_MEMORY, READY
from dicom_gateway.header import Header
from dicom_gateway.refusal import Undecodable

jpeg12.register()

_KINDS = frozenset({"u1", "u2", "i1", "i2"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one frame may take: address space of the decoder's process, and time by the clock on the wall."""

    n_bytes: int = 2 * 2**30
    within_s: float = 10.0


class Decoder:
    """A decoder's process, started when it is needed and again when it has died. One frame at a time."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __del__(self) -> None:
        self.close()

    def decode(self, stored: bytes, header: Header) -> NDArray[Any]:
        """Stored values of one frame, (H, W) or (H, W, 3), colour as RGB. Raises ``Undecodable``."""
        with self._lock:
            if self._child is not None and self._child.poll() is not None:
                self._bury(self._child)  # between two frames: no fault of this one
            child = self._child or self._start()
            try:
                return _exchange(child, stored, header)
            except (OSError, EOFError):
                raise Undecodable(self._bury(child)) from None

    def close(self) -> None:
        """End the process; may be called twice."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            _let_go(child)

    def _start(self) -> subprocess.Popen[bytes]:
        bounds = [str(self._bounds.n_bytes), str(self._bounds.within_s)]
        # threads of a library that nobody asks for would take address space each
        command = ["/usr/bin/env", "OPENBLAS_NUM_THREADS=1", sys.executable, "-m", "dicom_gateway.decoder", *bounds]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._child = child
        if _pipe(child.stdout).read(1) != READY:
            raise Undecodable(self._bury(child))
        return child

    def _bury(self, child: subprocess.Popen[bytes]) -> str:
        """Why it died."""
        self._child = None
        child.kill()
        _let_go(child)
        if child.returncode == -signal.SIGALRM:
            return "decoding takes longer than it may"
        return "decoding ended the decoder"


def decode_here(stored: bytes, told: dict[str, Any]) -> NDArray[Any]:
    """In this process: ``told`` as ``_told_of`` gives it. Raises whatever the decoder raises."""
    syntax = told.pop("syntax")
    is_native = syntax in sop_classes.NATIVE
    pixels, _ = get_decoder(UID(syntax)).as_array(
        stored if is_native else encapsulate([stored], has_bot=False),
        index=0,
        decoding_plugin=jpeg12.LABEL if syntax == sop_classes.JPEG_EXTENDED else "",
        **told,
    )
    return np.asarray(pixels)


def _told_of(header: Header) -> dict[str, Any]:
    told: dict[str, Any] = {
        "syntax": header.transfer_syntax_uid,
        "rows": header.rows,
        "columns": header.cols,
        "number_of_frames": 1,
        "samples_per_pixel": header.samples,
        "photometric_interpretation": header.photometric,
        "bits_allocated": header.bits_allocated,
        "bits_stored": header.bits_stored,
        "pixel_representation": int(header.is_signed),
        "pixel_keyword": "PixelData",
    }
    return told | ({"planar_configuration": header.planar} if header.samples > 1 else {})


def _exchange(child: subprocess.Popen[bytes], stored: bytes, header: Header) -> NDArray[Any]:
    requests, answers = _pipe(child.stdin), _pipe(child.stdout)
    told = json.dumps(_told_of(header)).encode()
    for part in (told, stored):
        requests.write(LENGTH.pack(len(part)))
        requests.write(part)
    requests.flush()
    word, kind, itemsize, rows, cols, samples = HEAD.unpack(_whole(answers, HEAD.size))
    if word == NO_MEMORY:
        raise Undecodable("decoding takes more memory than it may")
    if word != DECODED:
        raise Undecodable("the pixels cannot be decoded")
    kind = f"{kind.decode('ascii', 'replace')}{itemsize}"
    # the answer of a process that foreign bytes have run in is believed no further than the header
    if kind not in _KINDS or (rows, cols) != (header.rows, header.cols) or samples not in {0, 3}:
        raise EOFError
    shape = (rows, cols, samples) if samples else (rows, cols)
    return np.frombuffer(_whole(answers, int(np.prod(shape)) * itemsize), dtype=f"<{kind}").reshape(shape)


def _whole(stream: IO[bytes], n_bytes: int) -> bytes:
    read = stream.read(n_bytes)
    if len(read) < n_bytes:
        raise EOFError
    return read


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    return cast("IO[bytes]", stream)


def _let_go(child: subprocess.Popen[bytes]) -> None:
    child.wait()
    for stream in (child.stdin, child.stdout):
        try:
            _pipe(stream).close()
        except OSError:
            continue
