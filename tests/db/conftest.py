"""The same tests on both databases: ``url`` is an empty SQLite file, then an empty PostgreSQL database."""

from __future__ import annotations

import pytest

from db.connect import connect
from db.journal import Journal
from db.procedures import Opening, open_procedure


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/store/journal.sqlite"


@pytest.fixture
def engine(url):
    engine = connect(url)
    yield engine
    engine.dispose()


@pytest.fixture
def journal(engine):
    return Journal(engine)


@pytest.fixture
def procedure(engine):
    return open_procedure(engine, Opening(at=1000.0, study_instance_uid="1.2.3", source="CARM1")).id
