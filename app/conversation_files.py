"""Files that belong to one conversation: a knowledge base of its own that no listing shows."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import exists, insert, select

from knowledge_base.catalogue import Catalogue
from knowledge_base.clock import now
from knowledge_base.errors import SessionNotFoundError
from knowledge_base.tables import IMPORT_OWNER, knowledge_bases, sessions

_OF_CONVERSATION = knowledge_bases.c.session_id.is_not(None) & ~knowledge_bases.c.session_id.startswith(
    IMPORT_OWNER
)


_NAME = re.compile(r"conversation-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with files, and the key that began it; None where no keys are used."""

    id: str
    owner: str | None


def is_of_conversation(name: str) -> bool:
    """Whether a knowledge base of this name holds the files of a conversation."""
    return bool(_NAME.fullmatch(name))


class ConversationFiles:
    """The hidden knowledge bases, by the id of their conversation.

    Documents go in and questions are asked by the name that `ensure` gives, as with any other. Safe
    to be called from several threads.
    """

    def __init__(self, catalogue: Catalogue, *, delete: Callable[[str], None]) -> None:
        """`delete` deletes a knowledge base by name, with its index and files."""
        self._catalogue = catalogue
        self._delete = delete

    def name(self, session_id: str) -> str | None:
        """Name of the conversation's knowledge base, if it has one."""
        with self._catalogue.database.read() as connection:
            found: str | None = connection.execute(
                select(knowledge_bases.c.name).where(knowledge_bases.c.session_id == session_id)
            ).scalar()
        return found

    def conversation(self, knowledge_base_id: int) -> Conversation | None:
        """The conversation whose files a knowledge base holds; None for an ordinary one."""
        with self._catalogue.database.read() as connection:
            row = connection.execute(
                select(knowledge_bases.c.session_id, sessions.c.owner)
                .outerjoin(sessions, sessions.c.id == knowledge_bases.c.session_id)
                .where(knowledge_bases.c.id == knowledge_base_id, _OF_CONVERSATION)
            ).first()
        return None if row is None else Conversation(row.session_id, row.owner)

    def ensure(self, session_id: str) -> str:
        """Name of the conversation's knowledge base, which is made when it is missing.

        Raises `SessionNotFoundError` where there is no such conversation.
        """
        with self._catalogue.database.write() as connection:
            named = select(knowledge_bases.c.name).where(knowledge_bases.c.session_id == session_id)
            found: str | None = connection.execute(named).scalar()
            if found is not None:
                return found
            if connection.execute(select(sessions.c.id).where(sessions.c.id == session_id)).first() is None:
                raise SessionNotFoundError(f"there is no conversation {session_id!r}", id=session_id)
            # Random, so that nobody finds another's by guessing.
            name = f"conversation-{secrets.token_hex(16)}"
            values = {"name": name, "description": "", "created_at": now(), "session_id": session_id}
            connection.execute(insert(knowledge_bases).values(values))
        return name

    def delete(self, session_id: str) -> None:
        """Delete the conversation's files, when it has any; to be called as the conversation goes."""
        found = self.name(session_id)
        if found is not None:
            self._delete(found)

    def sweep(self) -> None:
        """Delete the files of conversations that are gone: a kill may come before `delete`."""
        gone = ~exists().where(sessions.c.id == knowledge_bases.c.session_id)
        with self._catalogue.database.read() as connection:
            left = connection.execute(select(knowledge_bases.c.name).where(_OF_CONVERSATION, gone))
            names = list(left.scalars())
        for name in names:
            self._delete(name)
