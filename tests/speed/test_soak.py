"""The soak in short: mixed sources, an operator, an archive, and every frame accounted for. `make soak` is the long one."""

from __future__ import annotations

import re

from tests.conftest import program
from tests.speed import soak


def test_every_frame_of_mixed_sources_is_accounted_for(capsys):
    program("Orthanc", "orthanc")
    status = soak.main(["--seconds", "1", "--run", "7", "--px", "256"])
    told = capsys.readouterr().out
    assert status == 0, told
    assert told.count("procedures, frames sent") == len(soak.DEVICES)
    counted = re.search(r"objects sent (\d+), forwarded (\d+), refused 0;", told)
    assert counted, told
    assert counted[1] == counted[2]
    assert int(counted[1]) >= 70 + 52 + 1, "the first procedure of each device is whole; a short one may have a second"


def test_a_role_that_grows_is_told_by_a_long_soak_only(capsys):
    looks = [soak.Look(pid=1, rss_mb=100.0 + n, n_threads=4, n_files=9) for n in range(30)]
    assert list(soak._weigh("watch", looks, is_long=True)) == ["watch grew"]
    assert list(soak._weigh("watch", looks, is_long=False)) == []
    steady = [soak.Look(pid=1, rss_mb=100.0, n_threads=4, n_files=9 + (n >= 20)) for n in range(30)]
    assert list(soak._weigh("watch", steady, is_long=True)) == ["watch grew"], "files are left open"
    again = [soak.Look(pid=n // 20, rss_mb=100.0, n_threads=4, n_files=9) for n in range(30)]
    assert list(soak._weigh("watch", again, is_long=False)) == ["watch was started 2 times"]
    assert "memory/MB" in capsys.readouterr().out
