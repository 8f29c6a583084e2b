"""Records to count: a small department, and patients made to fit the printed summary of a series."""

from __future__ import annotations

import numpy as np
import pytest

from db.connect import connect
from db.record import Draft, write
from service.clinical.record import fields_of

ZHENGZHOU_VAS = {
    "before": (8.11, 0.37),
    "h24": (2.82, 0.46),
    "m1": (2.47, 0.42),
    "m3": (2.43, 0.46),
    "m6": (3.02, 0.38),
    "m12": (3.13, 0.66),
}
PRIMARIES = {"liver": 16, "lung": 7, "breast": 4, "colorectal": 5, "stomach": 2}
SITES = {"disc": 4, "paravertebral": 10, "vein": 4, "spinal_canal": 2}
N_PATIENTS, N_VERTEBRAE, N_LEAKING = 34, 50, 19


@pytest.fixture
def engine(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/journal.sqlite")
    yield engine
    engine.dispose()


def draft(of, id, /, **fields):
    return Draft(kind=of, id=id, fields=fields_of(of, fields))


def put(engine, *drafts):
    return write(engine, drafts, at=1000.0, actor="doctor")


def values_with(mean, sd, n, seed):
    """``n`` values with exactly this mean and sample SD."""
    raw = np.random.default_rng(seed).normal(size=n)
    return (mean + sd * (raw - raw.mean()) / raw.std(ddof=1)).tolist()


def spread_out(counts):
    return [name for name, count in counts.items() for _ in range(count)]


def zhengzhou():
    """Patients, vertebrae, leaks and follow-ups that fit what the Zhengzhou PVP series prints."""
    primaries, vas = spread_out(PRIMARIES), {}
    for seed, (time, (mean, sd)) in enumerate(ZHENGZHOU_VAS.items()):
        vas[time] = values_with(mean, sd, N_PATIENTS, seed)
    volumes = values_with(3.22, 0.84, N_VERTEBRAE, 99)
    for n in range(N_PATIENTS):
        sex = "male" if n < 23 else "female"
        told = {"sex": sex, "primary_tumour": primaries[n], "site": "Zhengzhou PVP series"}
        yield draft("patient", f"p{n}", pseudonym=f"Z{n:02}", **told)
        yield draft("operation", f"o{n}", patient=f"p{n}", kind="pvp", performed_on="2014-06-01")
        for time, values in vas.items():
            yield draft("follow_up", f"f{n}-{time}", operation=f"o{n}", time_point=time, vas=values[n])
    for n in range(N_VERTEBRAE):
        told = {"level": f"L{n % 5 + 1}", "volume_ml": volumes[n], "examined_with": ["final_ap", "final_lateral"]}
        yield draft("level", f"v{n}", operation=f"o{n % N_PATIENTS}", **told)
    for n, site in enumerate(spread_out(SITES)):
        yield draft("leak", f"l{n}", level=f"v{n % N_LEAKING}", site=site, modality="final_lateral")
