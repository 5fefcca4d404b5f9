"""The time as the catalogue keeps it."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """The time in UTC, without a zone."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
