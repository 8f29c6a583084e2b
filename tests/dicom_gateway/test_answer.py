"""The answer to a C-STORE that we write ourselves is the one that the library would have sent."""

from __future__ import annotations

import pytest
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF

from dicom_gateway.answer import store_response


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.840.10008.5.1.4.1.1.12.1", "1." + "9" * 61, "1." + "9" * 62])
@pytest.mark.parametrize("status", [0x0000, 0xA700, 0xC000])
def test_the_answer_is_the_librarys_byte_for_byte(uid, status):
    answer, message = C_STORE(), C_STORE_RSP()
    answer.MessageIDBeingRespondedTo, answer.Status = 65535, status
    answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.12.1", uid
    message.primitive_to_message(answer)
    (pdata,) = message.encode_msg(3, 16384)
    assert store_response(3, "1.2.840.10008.5.1.4.1.1.12.1", uid, 65535, status) == P_DATA_TF(pdata).encode()


@pytest.mark.parametrize("most_bytes", [20, 64, 100])
def test_a_peer_that_takes_short_pdus_gets_the_librarys_fragments(most_bytes):
    answer, message = C_STORE(), C_STORE_RSP()
    answer.MessageIDBeingRespondedTo, answer.Status = 7, 0
    answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.12.1", "1.2.3"
    message.primitive_to_message(answer)
    theirs = [P_DATA_TF(pdata).encode() for pdata in message.encode_msg(3, most_bytes)]
    assert len(theirs) > 1
    ours = store_response(3, "1.2.840.10008.5.1.4.1.1.12.1", "1.2.3", 7, 0, most_bytes=most_bytes)
    assert ours == b"".join(theirs)
