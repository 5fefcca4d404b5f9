"""Order, owner, progress and events of jobs; a log of changed chunks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

CHANGED = ("search_hash", "text", "enabled", "generation", "knowledge_base_id")


def upgrade() -> None:
    """Apply the change."""
    op.add_column("jobs", sa.Column("number", sa.Integer(), server_default="0", nullable=False))
    op.execute("UPDATE jobs SET number = rowid")
    op.create_index("ix_jobs_number", "jobs", ["number"])
    op.add_column("jobs", sa.Column("runner", sa.String(), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("progress", sa.JSON(), server_default="{}", nullable=False))
    op.create_table(
        "job_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_job_events_job_id"), "job_events", ["job_id"], unique=False)
    op.create_table(
        "chunk_changes",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("knowledge_base_id", sa.Integer(), nullable=False),
        sa.Column("chunk_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_chunk_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_chunk_changes_knowledge_base_id", "chunk_changes", ["knowledge_base_id", "number"])
    differs = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in CHANGED)
    old, new = (_note(which) for which in ("OLD", "NEW"))
    op.execute(f"CREATE TRIGGER note_added_chunk AFTER INSERT ON chunks BEGIN {new} END")
    op.execute(f"CREATE TRIGGER note_deleted_chunk AFTER DELETE ON chunks BEGIN {old} END")
    columns = ", ".join(CHANGED)
    op.execute(
        f"CREATE TRIGGER note_changed_chunk AFTER UPDATE OF {columns} ON chunks WHEN {differs} "
        f"BEGIN {old} {new} END"
    )


def _note(which: str) -> str:
    return (
        "INSERT INTO chunk_changes (knowledge_base_id, chunk_id) "  # noqa: S608 - no one's text
        f"VALUES ({which}.knowledge_base_id, {which}.id);"
    )
