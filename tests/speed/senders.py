"""Senders that are none of ours: DCMTK's storescu and dcmsend, an Orthanc that pushes, and pynetdicom at a pace."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.association import Association

from dicom_gateway.peer import Peer
from tests.conftest import SYSTEM_PATH, Orthanc, is_answering, orthanc_settings, running, unused_port, wait_until

LIMIT_S = 600
Push = Callable[[Peer, Path], None]
"""Send the objects of a folder over one association, calling with the title of the peer; RuntimeError when one was not taken."""


def storescu(environment: Mapping[str, str]) -> Push:
    """DCMTK's older sender."""
    return _program(["storescu", "--required", "+sd"], environment)


def dcmsend(environment: Mapping[str, str]) -> Push:
    """DCMTK's newer sender; it reads all files through before it calls."""
    return _program(["dcmsend", "--decompress-never", "+sd"], environment)


def _program(command: Sequence[str], environment: Mapping[str, str]) -> Push:
    def push(peer: Peer, folder: Path) -> None:
        titles = ["-aet", peer.calling, "-aec", peer.called]
        said = subprocess.run(
            [*command, *titles, peer.host, str(peer.port), str(folder)],
            env={**environment, "PATH": SYSTEM_PATH},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        if said.returncode != 0:
            raise RuntimeError(f"{command[0]}: {(said.stdout + said.stderr)[-500:]}")

    return push


@contextmanager
def pushing_orthanc(home: Path, environment: Mapping[str, str], folders: Sequence[Path]) -> Iterator[Push]:
    """An Orthanc that holds the objects of these folders, of an earlier time in ``home`` too, and pushes them."""
    home.mkdir(exist_ok=True)
    http_port = unused_port()
    told = orthanc_settings(home, http_port, unused_port()) | {
        "ConcurrentJobs": len(folders),
        "DicomScuTimeout": LIMIT_S,
    }
    config, log, known = home / "orthanc.json", home / "log", home / "known.json"
    config.write_text(json.dumps(told), encoding="utf-8")
    command = [str(shutil.which("Orthanc", path=SYSTEM_PATH)), config]
    with running(command, log, stop=signal.SIGTERM, **environment) as child:
        orthanc = Orthanc(http=f"http://127.0.0.1:{http_port}", dicom_port=told["DicomPort"])
        wait_until(lambda: is_answering(f"{orthanc.http}/system"), child, log)
        if not known.exists():
            loaded = {str(folder): _load(orthanc, folder) for folder in folders}
            known.write_text(json.dumps(loaded), encoding="utf-8")
        ids = json.loads(known.read_text(encoding="utf-8"))

        def push(peer: Peer, folder: Path) -> None:
            modality = f"{peer.called}-{peer.port}"
            where = {"AET": peer.called, "Host": peer.host, "Port": peer.port, "Timeout": LIMIT_S}
            orthanc.put(f"/modalities/{modality}", where)
            asked = {"Resources": ids[str(folder)], "Synchronous": True, "LocalAet": peer.calling}
            answer = httpx.post(f"{orthanc.http}/modalities/{modality}/store", json=asked, timeout=LIMIT_S)
            if answer.status_code != httpx.codes.OK or answer.json()["FailedInstancesCount"]:
                raise RuntimeError(f"Orthanc: {answer.text[-500:]}")

        yield push


def _load(orthanc: Orthanc, folder: Path) -> list[str]:
    return [str(orthanc.post("/instances", path.read_bytes())["ID"]) for path in sorted(folder.glob("*.dcm"))]


def keep_pace_plainly(paths: Sequence[Path], peer: Peer, rate: float) -> list[float]:
    """Round trips in ms of pynetdicom as it comes, an object every 1/``rate`` s; runs in a process of its own.

    Now and then its own reactor takes the answer that it waits for (see ``dicom_gateway.peer``); such an object is left out.
    """
    datasets = [dcmread(path) for path in paths]
    entity = AE(ae_title=peer.calling)
    entity.dimse_timeout = 5
    entity.add_requested_context(datasets[0].SOPClassUID, datasets[0].file_meta.TransferSyntaxUID)
    association, trips, began = _associate(entity, peer), [], time.perf_counter()
    for number, dataset in enumerate(datasets):
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        sent = time.perf_counter()
        status = association.send_c_store(dataset).get("Status")
        if status is None:
            association, began = _associate(entity, peer), time.perf_counter() - (number + 1) / rate
        elif status != 0:
            raise RuntimeError(f"{peer.called} answered object {number} with 0x{status:04X}")
        else:
            trips.append(1000 * (time.perf_counter() - sent))
    association.release()
    return trips


def _associate(entity: AE, peer: Peer) -> Association:
    association = entity.associate(peer.host, peer.port, ae_title=peer.called)
    if not association.is_established:
        raise RuntimeError(f"{peer.called} takes no association")
    return association
