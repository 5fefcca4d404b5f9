"""What bears out each sentence of an answer stays with the answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply the change."""
    op.add_column("messages", sa.Column("sentences", sa.JSON(), server_default="[]", nullable=False))
