"""Runs migrations on the connection that `knowledge_base.database` hands over."""

from __future__ import annotations

from alembic import context

from knowledge_base.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
