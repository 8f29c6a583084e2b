"""A forwarder in a process of its own, with nothing else in it: ``python -m tests.service.forwarder FOLDER ARCHIVES``."""

from __future__ import annotations

import json
import sys
import time

from db.connect import connect
from dicom_gateway.spool import Spool
from service.forward import Forwarding
from service.settings import Settings

if __name__ == "__main__":
    settings = Settings(data_dir=sys.argv[1], archives=json.loads(sys.argv[2]), forward_pause_s=0.5)
    forwarding = Forwarding(settings, connect(settings.journal_url), Spool(settings.spool_dir), time.time)
    forwarding.start()
    while True:
        forwarding.feed()
        time.sleep(0.05)
