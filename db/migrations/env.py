"""Runs the migrations on the connection that ``db.connect`` hands over, inside its transaction."""

from alembic import context

from db import forward_tables, record_tables  # noqa: F401 - makes their tables known
from db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
