"""The conformance statement says what a listener on the wire does, not what somebody remembers."""

from __future__ import annotations

import time

from pynetdicom import AE, build_context

from dicom_gateway import sop_classes
from dicom_gateway.listener import Listener
from dicom_gateway.notices import Notices
from dicom_gateway.spool import Spool
from dicom_gateway.workflow import Workflow
from tests.house.tree import CHECKOUT

OTHERS = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.1.13.1.1")
"""CT, study root FIND, XA 3D."""
NEVER = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.102")


def offered(port: int, uid: str) -> set[tuple[str, str]]:
    """What is accepted of one SOP class in every transfer syntax, each a context of its own."""
    contexts = [build_context(uid, syntax) for syntax in (*sop_classes.NATIVE, *sop_classes.COMPRESSED, *NEVER)]
    association = AE(ae_title="ARM1").associate("127.0.0.1", port, contexts=contexts, ae_title="CEMENTWATCH")
    accepted = {(str(each.abstract_syntax), str(each.transfer_syntax[0])) for each in association.accepted_contexts}
    if association.is_established:
        association.release()
    return accepted


def test_the_tables_are_what_a_listener_accepts_on_the_wire(tmp_path):
    page = (CHECKOUT / "docs" / "conformance.md").read_text()
    told = {line.split("`")[1] for line in page.splitlines() if line.startswith("| ") and line.count("`") == 2}
    classes = {uid for uid in told if uid in {sop_classes.VERIFICATION, sop_classes.COMMITMENT, sop_classes.MPPS}}
    classes |= {uid for uid in told if uid.startswith("1.2.840.10008.5.1.4.1.1.")}
    flow = Workflow(Notices(tmp_path / "notices"), may_ask=lambda _: False, now_ns=time.time_ns)
    listener = Listener(Spool(tmp_path / "spool"), port=0, min_free_bytes=0, workflow=flow)
    listener.start()
    try:
        accepted = set()
        for uid in sorted({*classes, *OTHERS}):
            accepted |= offered(listener.port, uid)
    finally:
        listener.stop()
    assert {uid for uid, _ in accepted} == classes
    compressed = {uid for uid, syntax in accepted if syntax in sop_classes.COMPRESSED}
    assert compressed == sop_classes.IMAGES
    assert not {syntax for _, syntax in accepted} & set(NEVER)
