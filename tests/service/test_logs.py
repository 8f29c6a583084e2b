"""What the roles write to standard error."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import CHECKOUT

COPYING = """
import logging
from pydicom import Dataset
from highdicom.base import SOPClass
from service.logs import start_logging
start_logging("forward")
logging.getLogger("service.reporter").info("findings written")
made = SOPClass("1.2.3", "1.2.3.4", 1, "1.2.3.4.5", "1.2.840.10008.5.1.4.1.1.7", 1, "SR")
other = Dataset()
other.SOPClassUID, other.SOPInstanceUID, other.PatientID = "1.2.840.10008.5.1.4.1.1.7", "1.2.99.99", "CANARY"
made.copy_patient_and_study_information(other)
"""


def test_what_is_copied_into_our_objects_is_not_named_in_the_log():
    done = subprocess.run(
        [sys.executable, "-c", COPYING], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in said] == ["findings written"]
