"""The process that decodes: one compressed frame after another, within so much memory and time, and nothing else.

A decoder is foreign code over bytes of strangers. Here it may fail, hang, take all it is given or die: whoever asked is
told, and the next frame has another process. The time runs out in the kernel (SIGALRM ends the process), so that not
even one whose parent has gone lives on.

Request: length and JSON of what the header says, length and codestream. Answer: one of three words, and for the first
the kind, size and shape of the values, then the values.
"""

from __future__ import annotations

import json
import resource
import signal
import struct
import sys
from typing import IO, Any

LENGTH = struct.Struct(">I")
HEAD = struct.Struct(">ccBIII")
"""Word, kind and size of a value, rows, columns, samples (0 for one plane)."""
READY, DECODED, FAILED, NO_MEMORY = b"R", b"D", b"F", b"M"


def main(n_bytes: int, within_s: float) -> None:
    """Answer requests until there are no more."""
    from dicom_gateway.decoding import decode_here

    resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # what libraries say belongs to nobody's answer
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    answers.write(READY)
    answers.flush()
    while head := requests.read(LENGTH.size):
        told = json.loads(_read(requests, head))
        stored = _read(requests, requests.read(LENGTH.size))
        signal.setitimer(signal.ITIMER_REAL, within_s)
        answer = _answer(decode_here, stored, told)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for part in answer:
            answers.write(part)
        answers.flush()


def _answer(decode: Any, stored: bytes, told: dict[str, Any]) -> tuple[bytes, ...]:
    nothing = (b"u", 1, 0, 0, 0)
    try:
        pixels = decode(stored, told)
        rows, cols, *samples = pixels.shape
        head = HEAD.pack(
            DECODED, pixels.dtype.kind.encode(), pixels.dtype.itemsize, rows, cols, samples[0] if samples else 0
        )
        return head, pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    except MemoryError:
        return (HEAD.pack(NO_MEMORY, *nothing),)
    except BaseException as error:  # decoders raise whatever they like over damaged data
        # a decoder written in Rust panics outside the tree of Exception
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            return (HEAD.pack(FAILED, *nothing),)
        raise


def _read(stream: IO[bytes], head: bytes) -> bytes:
    return stream.read(LENGTH.unpack(head)[0])


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
