"""A short run of the fuzzer; ``make fuzz`` is the long one. ``CEMENTWATCH_FUZZ_N`` sets the number of inputs."""

from __future__ import annotations

import os
import random

from tests.dicom_gateway import fuzz

N_INPUTS = int(os.environ.get("CEMENTWATCH_FUZZ_N", "500"))


def test_no_mutated_input_crashes_hangs_or_grows_the_receiver(tmp_path):
    findings = fuzz.run(N_INPUTS, 1, tmp_path)
    assert findings.failures == []
    assert sum(findings.outcomes.values()) == N_INPUTS
    assert findings.n_threads[-1] <= findings.n_threads[0]
    assert findings.n_files[-1] <= findings.n_files[0] + 1  # the index of the spool opens with the first object
    assert findings.grown_mb() < 32
    # a fuzzer whose inputs are all refused at the first look, or all taken, looks at nothing
    assert len(findings.outcomes) > 12
    assert "Traceback" not in (tmp_path / "listener.log").read_text()


def test_an_input_follows_from_its_number():
    content = fuzz.seeds()[0].content
    one, same, another = (fuzz.mutated(content, random.Random(f"1 object {n}"), [content]) for n in (1, 1, 2))
    assert one == same != another
