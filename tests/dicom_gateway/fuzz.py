"""Mutated inputs against the object path and the association path: nothing may crash, hang or grow.

``python -m tests.dicom_gateway.fuzz --inputs 100000`` (``make fuzz``); a short run is a normal test. Nine of ten inputs
are objects, given to the guard and, where it lets them through, to header and frames in this process. One of ten is a
conversation with a real listener in a process of its own, over a socket: request, messages, or both mutated. Every input
follows from the seed and its number; one that fails is written to a folder and named.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from dicom_gateway import guard, sop_classes
from dicom_gateway.arrival import Arrival
from dicom_gateway.frames import frames_of
from dicom_gateway.header import read_header
from dicom_gateway.intake import file_head
from dicom_gateway.peer import Peer, echo
from dicom_gateway.refusal import Refusal, Undecodable
from dicom_gateway.request import HEAD
from tests.dicom_gateway.objects import image, other, ramp, with_meta
from tests.dicom_gateway.raw import answer, connect, context, data_unit, request, store_command

HANG_S = 60.0
PATIENCE_S = 0.5
SMALL = (64, 64)
INTERESTING = (0, 1, 2, 6, 7, 0x7F, 0x80, 0xFE, 0xFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
LISTENER = """
import sys
from pathlib import Path
from dicom_gateway.door import Limits
from dicom_gateway.listener import Listener
from dicom_gateway.spool import Spool
listener = Listener(Spool(Path(sys.argv[1])), port=0, min_free_bytes=0, max_object_bytes=2**20, limits=Limits(read_within_s=5.0))
listener.start()
print(listener.port, flush=True)
sys.stdin.read()
"""


@dataclass(slots=True, kw_only=True)
class Findings:
    """What came of a run. ``failures`` name the inputs, which lie in the folder."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    n_threads: list[int] = field(default_factory=list)
    n_files: list[int] = field(default_factory=list)

    def grown_mb(self) -> float:
        """Of the listener, from the first third of the run to its end."""
        return self.memory_mb[-1] - self.memory_mb[len(self.memory_mb) // 3] if self.memory_mb else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """An honest object: its data set, and what it is announced as."""

    content: bytes
    announced: guard.Announced


def seeds() -> list[Seed]:
    """Plain, run, implicit, compressed, nested."""
    packed, nested = image(ramp(2, SMALL)), other(sop_classes.RDSR)
    packed.compress(sop_classes.RLE, generate_instance_uid=False)
    nested.ContentSequence = [image(ramp(1, (2, 2)), ContentSequence=[other(sop_classes.RDSR)]) for _ in range(3)]
    wide = image(ramp(1, SMALL), FrameTimeVector=["0", "33", "33"], ImagerPixelSpacing=["0.3", "0.3"], ImageType=["A"])
    objects = [image(ramp(1, SMALL)), image(ramp(3, SMALL)), wide, nested]
    implicit = with_meta(image(ramp(1, SMALL)), sop_classes.IMPLICIT_LE)
    return [_seed(each) for each in [*objects, implicit, packed]]


def _seed(dataset: Dataset) -> Seed:
    file = io.BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    whole = file.getvalue()
    return Seed(
        content=whole[144 + int.from_bytes(whole[140:144], "little") :],
        announced=guard.Announced(
            sop_class_uid=str(dataset.SOPClassUID),
            sop_instance_uid=str(dataset.SOPInstanceUID),
            transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
        ),
    )


def mutated(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """A few changes, most of them where the structure is: at the beginning."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 8))):
        at = chance.randrange(max(1, min(len(changed), chance.choice((256, 2048, 2**20)))))
        span = slice(at, at + chance.choice((1, 2, 4, 8, 64)))
        match chance.choice((0, 0, 1, 2, 2, 3, 3, 4, 5, 7)) if chance.random() > 0.03 else 6:
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
            case 1:
                span = slice(span.start, min(span.stop, len(changed)))
                changed[span] = chance.randbytes(span.stop - span.start)
            case 2 | 3:
                width = chance.choice((1, 2, 4))
                value = chance.choice(INTERESTING) & (256**width - 1)
                changed[at : at + width] = value.to_bytes(width, chance.choice(("little", "big")))
            case 4:
                del changed[span]
            case 5:
                changed[at:at] = bytes(changed[span]) * chance.choice((1, 2, 100))
            case 6:
                del changed[chance.randrange(max(1, len(changed))) :]
            case 7:
                donor = chance.choice(others)
                begin = chance.randrange(len(donor))
                changed[at:at] = donor[begin : begin + chance.choice((8, 64, 1024))]
    return bytes(changed)


def fuzz_objects(n_inputs: int, seed: int, folder: Path, findings: Findings) -> None:
    """Mutated data sets as they would lie in the spool."""
    known, path = seeds(), folder / "object.dcm"
    contents = [each.content for each in known]
    for number in range(n_inputs):
        chance = random.Random(f"{seed} object {number}")
        origin = chance.choice(known)
        told = origin.announced
        content = mutated(origin.content, chance, contents)
        path.write_bytes(file_head(told.sop_class_uid, told.sop_instance_uid, told.transfer_syntax_uid) + content)
        began = time.thread_time()
        try:
            findings.outcomes[_judge_object(path, told)] += 1
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - the very thing that is looked for
            _fail(findings, folder, f"object-{number}", content, type(error).__name__)
        if time.thread_time() - began > HANG_S / 10:
            _fail(findings, folder, f"object-{number}", content, "slow")


def _judge_object(path: Path, told: guard.Announced) -> str:
    try:
        guard.check(path, told, max_bytes=2**20)
        header = read_header(path)
        if header.is_image:
            list(frames_of(_arrival(path), header))
    except (Refusal, Undecodable) as error:
        return f"{type(error).__name__}: {error.reason}"
    return "taken"


def _arrival(path: Path) -> Arrival:
    return Arrival(
        number=1,
        path=path,
        source="FUZZ",
        received_at=0.0,
        uid_hash="0",
        digest="0",
        size=path.stat().st_size,
        replay=None,
    )


def fuzz_associations(n_inputs: int, seed: int, folder: Path, findings: Findings) -> None:
    """Mutated conversations with a listener of its own, four at a time."""
    with _listener(folder) as (port, pid):
        numbers = iter(range(n_inputs))
        taking = threading.Lock()

        def converse() -> None:
            known = seeds()
            while True:
                with taking:
                    number = next(numbers, None)
                if number is None:
                    return
                chance = random.Random(f"{seed} association {number}")
                first, rest = _conversation(chance, known)
                outcome = _hold(port, first, rest)
                findings.outcomes[f"association {outcome}"] += 1
                if outcome == "hangs":
                    _fail(findings, folder, f"association-{number}", first + rest, outcome)
                if number % 50 == 0:
                    _look(pid, findings)

        _look(pid, findings)
        talkers = [threading.Thread(target=converse) for _ in range(4)]
        for each in talkers:
            each.start()
        for each in talkers:
            each.join()
        _settle(pid, findings)
        if not echo(Peer(host="127.0.0.1", port=port)):
            findings.failures.append("the listener no longer answers")


def _conversation(chance: random.Random, known: list[Seed]) -> tuple[bytes, bytes]:
    """What is said before an answer is waited for, and after it."""
    origin = chance.choice(known)
    told = origin.announced
    asked = request(contexts=(context(1, told.sop_class_uid, (told.transfer_syntax_uid,)),))
    command = store_command(told.sop_class_uid, told.sop_instance_uid)
    command_pdu, data_pdu = data_unit(command, 3), data_unit(origin.content, 2)
    release = HEAD.pack(5, 4) + bytes(4)
    others = [asked, command_pdu, data_pdu, release]
    match chance.randrange(5):
        case 0:
            return mutated(asked, chance, others), b""
        case 1:
            return asked, mutated(command_pdu, chance, others) + data_pdu + release
        case 2:
            return asked, command_pdu + mutated(data_pdu, chance, others) + release
        case 3:
            return asked, data_unit(mutated(command, chance, others), 3) + data_pdu + release
        case _:
            return asked, command_pdu + data_unit(mutated(origin.content, chance, others)[: 2**16], 2) + release


def _hold(port: int, first: bytes, rest: bytes) -> str:
    """Say it, and wait until the other side has ended it."""
    with connect(port) as sock:
        sock.settimeout(HANG_S)
        try:
            sock.sendall(first)
            if rest and not answer(sock):
                return "is not accepted"
            sock.sendall(rest)
            last = _listen(sock) if rest else b""
            sock.shutdown(socket.SHUT_WR)
            while pdu := answer(sock):
                last = pdu
        except TimeoutError:
            return "hangs"
        except OSError:
            return "is cut"
        return f"ends with {last[0] if last else 'silence'}"


def _listen(sock: socket.socket) -> bytes:
    """The last answer before silence: an end at once would keep the other side from ever serving what was asked."""
    last = b""
    sock.settimeout(PATIENCE_S)
    try:
        while pdu := answer(sock):
            last = pdu
    except TimeoutError:
        pass
    sock.settimeout(HANG_S)
    return last


@contextlib.contextmanager
def _listener(folder: Path) -> Iterator[tuple[int, int]]:
    with (folder / "listener.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", LISTENER, str(folder / "spool")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=Path(__file__).resolve().parents[2],
        )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield int(child.stdout.readline()), child.pid
    finally:
        child.stdin.close()
        child.kill()
        child.wait()
        child.stdout.close()


def _look(pid: int, findings: Findings) -> None:
    place = Path(f"/proc/{pid}")
    told = dict(line.split(":", 1) for line in (place / "status").read_text(encoding="ascii").splitlines())
    findings.memory_mb.append(int(told["VmRSS"].split()[0]) / 1024)
    findings.n_threads.append(int(told["Threads"]))
    findings.n_files.append(len(list((place / "fd").iterdir())))


def _settle(pid: int, findings: Findings) -> None:
    """Associations need a moment to end; what is still there after a minute stays."""
    until = time.monotonic() + HANG_S
    _look(pid, findings)
    while findings.n_threads[-1] > findings.n_threads[0] and time.monotonic() < until:
        time.sleep(0.1)
        _look(pid, findings)


def _fail(findings: Findings, folder: Path, name: str, content: bytes, why: str) -> None:
    (folder / f"{name}.bin").write_bytes(content)
    findings.failures.append(f"{name}: {why}")


def run(n_inputs: int, seed: int, folder: Path) -> Findings:
    """Nine of ten inputs are objects."""
    findings = Findings()
    n_associations = max(1, n_inputs // 10)
    fuzz_objects(n_inputs - n_associations, seed, folder, findings)
    fuzz_associations(n_associations, seed, folder, findings)
    return findings


def main() -> int:
    """Fuzz, report, and say whether anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cementwatch-fuzz-"))
    findings = run(wanted.inputs, wanted.seed, folder)
    for outcome, count in findings.outcomes.most_common():
        print(f"{count:8} {outcome}")
    memory, threads, files = findings.memory_mb, findings.n_threads, findings.n_files
    print(f"listener: memory {memory[0]:.0f} -> {memory[-1]:.0f} MB, {findings.grown_mb():+.1f} since the first third")
    print(f"listener: threads {threads[0]} -> {threads[-1]}, files {files[0]} -> {files[-1]}")
    print("\n".join(findings.failures) or "no failure", f"({folder})")
    return 1 if findings.failures else 0


if __name__ == "__main__":
    sys.exit(main())
