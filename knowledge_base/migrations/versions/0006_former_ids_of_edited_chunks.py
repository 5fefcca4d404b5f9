"""An edited chunk is found by the ids that it had before too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply the change."""
    op.add_column("chunk_edits", sa.Column("former_ids", sa.JSON(), server_default="[]", nullable=False))
