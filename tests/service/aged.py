"""A site's database put back into the first schema with all that it holds: ``python -m tests.service.aged URL [--count]``."""

from __future__ import annotations

import argparse

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, create_engine, func, select, table, text

from tests.conftest import CHECKOUT

FIRST = "0001"
FIRST_TABLES = ("entry", "chain", "alert", "arrival", "procedure", "study", "source_state", "role", "replay")


def age(connection: Connection) -> None:
    """PostgreSQL only. What tables of later schemas held is gone, for an old database never had it."""
    now = MetaData()
    now.reflect(connection)
    held = {name: [row._asdict() for row in connection.execute(now.tables[name].select())] for name in FIRST_TABLES}
    connection.execute(text("DROP SCHEMA public CASCADE"))
    connection.execute(text("CREATE SCHEMA public"))
    config = Config()
    config.set_main_option("script_location", str(CHECKOUT / "db" / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, FIRST)
    then = MetaData()
    then.reflect(connection)
    assert set(then.tables) == {*FIRST_TABLES, "alembic_version"}
    connection.execute(then.tables["chain"].delete())
    for name, rows in held.items():
        if rows:
            connection.execute(then.tables[name].insert(), rows)


def count(connection: Connection) -> str:
    """How many rows each table of the first schema has."""
    rows = {name: select(func.count()).select_from(table(name)) for name in FIRST_TABLES}
    told = {name: connection.execute(query).scalar_one() for name, query in rows.items()}
    return ", ".join(f"{name} {n}" for name, n in told.items())


def main() -> None:
    """Count the rows, having made the database old unless only the count is asked for."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("url")
    told.add_argument("--count", action="store_true")
    asked = told.parse_args()
    engine = create_engine(asked.url)
    with engine.begin() as connection:
        if not asked.count:
            age(connection)
        schema = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        print(f"schema {schema}: {count(connection)}")
    engine.dispose()


if __name__ == "__main__":
    main()
