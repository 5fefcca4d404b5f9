"""Conversations that nobody can open any more."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import delete, exists, or_, select

from knowledge_base.database import Database
from knowledge_base.tables import api_keys, sessions


class UnreachableSessions:
    """Those of revoked keys and, once there are keys, those from before the first one."""

    def __init__(self, database: Database, *, swept: Callable[[], None]) -> None:
        """`swept` deletes the files of conversations that are gone."""
        self._database = database
        self._swept = swept

    def delete(self) -> int:
        """Delete them with all that was said and their files; returns how many there were."""
        valid = select(api_keys.c.id).where(api_keys.c.revoked_at.is_(None))
        unopened = or_(sessions.c.owner.is_(None), sessions.c.owner.not_in(valid))
        with self._database.write() as connection:
            gone = connection.execute(delete(sessions).where(exists(select(api_keys.c.id)), unopened))
        self._swept()
        return gone.rowcount
