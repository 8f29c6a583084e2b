"""The DICOM conformance statement, its tables made from the code that answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydicom.uid import UID
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION

from dicom_gateway import callers, refusal, sop_classes, workflow
from dicom_gateway.door import Limits
from dicom_gateway.dose import REPORTS
from dicom_gateway.forward import answer_of
from dicom_gateway.listener import Listener
from dicom_gateway.notices import Notices
from dicom_gateway.peer import ANSWER_S, CONNECT_S
from dicom_gateway.prompt import MAX_PDU
from dicom_gateway.report.forms import SERIES
from dicom_gateway.report.terms import SCHEME, SCHEME_NAME
from dicom_gateway.spool import Spool
from dicom_gateway.tls import SUITES
from service.settings import Settings

C_STORE_STATUSES = tuple(
    int(each, 16) for each in "0000 0107 0110 0111 0116 0117 0122 0124 0213 A700 A900 B000 C000".split()
)
STORE_REFUSALS = (refusal.TryLater, refusal.NotThisClass, refusal.Unreadable, refusal.NotYou)
SETTINGS = (
    "ae_title dicom_host dicom_port calling_ae_titles calling_addresses known_devices max_associations reserved_associations "
    "max_associations_per_address max_waiting_connections request_within_s read_within_s dicom_tls_certificate min_free_mb "
    "max_object_mb archives worklist sources_file forward_pause_s commitment_within_s commitment_answer_s keeps_for_good "
    "report_at_end report_after_s report_pictures report_pdf report_terms_file"
).split()


def name_of(uid: str) -> str:
    """The name of a UID in the standard's registry."""
    return UID(uid).name


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table."""
    names = tuple(head)
    return "\n".join([row(*names), row(*["---"] * len(names)), *(row(*each) for each in rows)])


def supported() -> list[tuple[str, tuple[str, ...], bool]]:
    """SOP class, transfer syntaxes in our order, and whether the peer may be the SCP: from a listener as ``receive`` makes it."""
    with tempfile.TemporaryDirectory() as folder:
        flow = workflow.Workflow(Notices(Path(folder) / "notices"), may_ask=lambda _: False, now_ns=lambda: 0)
        listener = Listener(Spool(Path(folder) / "spool"), port=0, workflow=flow)
        listener.start()
        contexts = listener._ae.supported_contexts
        listener.stop()
    return [
        (str(each.abstract_syntax), tuple(map(str, each.transfer_syntax)), bool(each.scp_role)) for each in contexts
    ]


def use_of(sop_class: str) -> str:
    """What becomes of an object or message of this class."""
    if sop_class == sop_classes.VERIFICATION:
        return "answered"
    if sop_class == sop_classes.COMMITMENT:
        return "requests and reports are kept and acted on"
    if sop_class == sop_classes.MPPS:
        return "brackets a procedure"
    if sop_class in REPORTS:
        return "kept, forwarded; dose totals are read"
    return "kept, forwarded, judged" if sop_class in sop_classes.IMAGES else "kept, forwarded, not judged"


def contexts() -> Iterator[tuple[str, str, str, str, str]]:
    """One row for each class that is accepted."""
    groups = {tuple(sop_classes.NATIVE): "native", (*sop_classes.NATIVE, *sop_classes.COMPRESSED): "native, compressed"}
    for sop_class, syntaxes, may_be_scp in sorted(supported(), key=lambda each: name_of(each[0])):
        role = "SCP, SCU by role selection" if may_be_scp else "SCP"
        yield name_of(sop_class), f"`{sop_class}`", groups[syntaxes], role, use_of(sop_class)


def syntaxes() -> Iterator[tuple[str, str, str]]:
    """One row for each transfer syntax."""
    for group, uids in (("native", sop_classes.NATIVE), ("compressed", sop_classes.COMPRESSED)):
        for uid in uids:
            yield name_of(uid), f"`{uid}`", group + (", lossy" if uid in sop_classes.LOSSY else "")


def rejections() -> Iterator[tuple[str, int, int, int]]:
    """One row for each A-ASSOCIATE-RJ."""
    for each in (callers.WRONG_CALLED, callers.WRONG_CALLER, callers.TOO_MANY, callers.DISK_LOW):
        yield each.reason, each.result, each.source, each.diagnostic


def made() -> Iterator[tuple[str, str, str, int, str]]:
    """One row for each class of which we write objects."""
    for each in SERIES.values():
        yield name_of(each.sop_class), each.sop_class, each.modality, each.number, each.description


def tried() -> Iterator[tuple[str, str]]:
    """Settings of the DICOM side with their help."""
    for name in SETTINGS:
        yield f"`{name}`", Settings.model_fields[name].description or ""


def statement() -> str:
    """The whole page."""
    limits = Limits()
    stores = [(f"0x{each.status:04X}", (each.__doc__ or "").partition("\n")[0]) for each in STORE_REFUSALS]
    answers = [
        (f"0x{status:04X}", told.verdict, told.reason) for status in C_STORE_STATUSES if (told := answer_of(status))
    ]
    notices = [(f"0x{status:04X}", words) for status, words in workflow.STATUSES.items()]
    numbers = {
        "contexts": table(("SOP class", "UID", "transfer syntaxes", "role", "use"), contexts()),
        "syntaxes": table(("transfer syntax", "UID", "group"), syntaxes()),
        "rejections": table(("when", "result", "source", "diagnostic"), rejections()),
        "stores": table(
            ("status", "when"),
            [("0x0000", "the file and its number are on the disk (fsync of file and folder)"), *stores],
        ),
        "answers": table(("status of the archive", "verdict", "in words"), answers),
        "notices": table(("status", "when"), notices),
        "settings": table(("setting", "meaning"), tried()),
        "made": table(("SOP class", "UID", "modality", "series", "series description"), made()),
        "limits": f"{limits.n_associations} associations, {limits.n_reserved} of them for known devices, "
        f"{limits.n_per_address} for each address, {limits.n_waiting} connections without a whole request",
    }
    return PAGE.format(
        **numbers,
        pdu=MAX_PDU,
        uid=PYNETDICOM_IMPLEMENTATION_UID,
        version=PYNETDICOM_IMPLEMENTATION_VERSION,
        connect_s=CONNECT_S,
        answer_s=ANSWER_S,
        suites=SUITES,
        scheme=SCHEME,
        scheme_name=SCHEME_NAME,
    )


PAGE = """# DICOM conformance statement

<!-- Made from the code by `make docs`; tests/house holds it against the code. -->

Assistive research software, not a medical device. The operator remains responsible. No alert does not mean no leakage.

In the layout of PS3.2. **This says what is implemented, and what of it was tested with which foreign peer. It is no claim of conformance to
parts of the standard that it does not name, and no promise that two devices work together: test them with each other.**

## 1 Overview

| service | SCU | SCP | tested with (loopback, Debian 12 packages) |
|---|---|---|---|
| Verification | yes | yes | DCMTK echoscu, Orthanc, pynetdicom |
| Storage of images, presentation states, dose reports | forwarding, replays | yes | DCMTK storescu and dcmsend, Orthanc both ways, pynetdicom |
| Storage Commitment Push Model | yes | yes | Orthanc both ways, pynetdicom |
| Modality Performed Procedure Step | no | yes | pynetdicom |
| Modality Worklist, FIND | yes | no | DCMTK wlmscpfs, Orthanc's worklist plugin |
| Storage of results (SR, KOS, GSPS, SEG, SC, PDF) | yes | no | Orthanc; read by highdicom, DCMTK, dicom3tools |
| STOW-RS (DICOMweb) | user agent | no | Orthanc's DICOMweb plugin |
| Query/Retrieve, Print, media | no | no | |

## 2 Contents

3 Introduction · 4 Networking · 5 Media · 6 Character sets · 7 Security · 8 Annexes

## 3 Introduction

For people who connect cementwatch to a C-arm, an archive or a radiology information system. AE: application entity. MPPS: performed procedure step.
RDSR: radiation dose structured report. Sections of the standard are named where the code follows them.

## 4 Networking

### 4.1 Implementation model

Role `receive` is the application entity that devices call. It writes each object to a spool and answers; it opens no database. Role `watch` judges
what the spool holds. Role `forward` calls archives, devices and the worklist. The entities share one AE title (`ae_title`), and start with their
roles.

* *Store*: object to spool, fsync, success, then judged and forwarded in the order of arrival.
* *Commit*: request to disk, N-ACTION answered; the answer follows as N-EVENT-REPORT on an association that we open.
* *Step*: N-CREATE and N-SET to disk and answered; the procedure opens, and closes when the room is quiet.

### 4.2 AE specifications

#### 4.2.1 `receive`

**Associations.** The application context is 1.2.840.10008.3.1.1.1. {limits}, all of them settings. Largest PDU received and offered: {pdu} bytes.
Asynchronous operations are not offered. Implementation Class UID `{uid}`, version name `{version}` (those of pynetdicom).

**Acceptance.** Where lists of titles or addresses are set, others are turned away; the called title must be ours. An association is rejected with:

{rejections}

**Presentation contexts.** One transfer syntax is accepted for each context, the first of ours that is offered:

{contexts}

{syntaxes}

Deflated, big endian and video syntaxes are never accepted. Extended negotiation: role selection for Storage Commitment only.

**C-STORE.** Storage level: everything that arrives is kept as it is, byte for byte, with file meta information. Header and size are checked before an object
is kept: a whole data set, identity as announced, bounds on size, rows, columns, frames and nesting. The same object again is
success and stored once; another object with the same UID is kept beside the first.

{stores}

**N-ACTION, N-EVENT-REPORT, N-CREATE, N-SET.** Action type 1 and event types 1 and 2 (PS3.4 J.3); an MPPS begins IN PROGRESS and ends COMPLETED or
DISCONTINUED (PS3.4 F.7).

{notices}

**Storage commitment as SCP.** Success only for instances that every archive asked for commitment has committed to, or, with `keeps_for_good`, for what lies
in the spool. Failure reasons: 0x0112 not seen, 0x0110 not committed, 0x0119 another SOP class. Reports are repeated for seven days.

#### 4.2.2 `forward`

**Associations.** One for each archive at a time, kept open while objects wait. Connection and association within {connect_s} s, each answer within {answer_s} s.
Each object is offered in its own transfer syntax; Explicit VR Little Endian is sent as Implicit where only that is accepted. Objects are never compressed or
decompressed. Every SOP class that was received is offered, with Verification beside it. Of our own making (docs/results.md), in Explicit VR Little Endian:

{made}

**C-STORE as SCU.** What an answer means (ranges A7xx, A9xx, Bxxx, Cxxx stand for all their values); *doubtful* is tried three times:

{answers}

**Storage commitment as SCU.** N-ACTION type 1 with up to 500 instances; the report is taken on the same association or on one to `receive`. Asked again until answered.

**Worklist as SCU.** Matching keys: Scheduled Station AE Title, Modality, Scheduled Procedure Step Start Date (today). Return keys: patient's name, id, birth
date and sex, study UID, accession number, descriptions, requested procedure and protocol codes.

**STOW-RS.** One object in each request, `multipart/related; type="application/dicom"`, answer asked for as `application/dicom+json`. Success is only an answer that
names the instance as stored.

### 4.3 Network interfaces

TCP over IPv4 or IPv6 of the operating system.

### 4.4 Configuration

{settings}

## 5 Media interchange

None.

## 6 Character sets

Text is read by the Specific Character Set of its object (pydicom). Objects are passed on as they came; ours are in ISO_IR 192. Worklist questions are asked in the default repertoire.

## 7 Security

TLS 1.2 or newer with certificates from either side, suites `{suites}` and those of TLS 1.3 (PS3.15 B.12 names BCP 195). Peers are known by certificate, title
and address. User identity negotiation is not used. See docs/security.md.

## 8 Annexes

Objects are not changed on their way through. Private coding scheme `{scheme}` ({scheme_name}), declared in every object of ours. No private attributes, no private SOP classes, no private transfer syntaxes. Codes: vertebrae of CID 7603 and
sides of CID 244 are read from the worklist, totals of TID 10004 from dose reports.
"""
