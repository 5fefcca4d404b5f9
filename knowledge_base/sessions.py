"""Conversations kept in the catalogue: who owns them, what was said, and what was thought of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, delete, func, insert, or_, select, update

from knowledge_base.clock import now
from knowledge_base.database import Database
from knowledge_base.errors import SessionNotFoundError
from knowledge_base.tables import feedback, knowledge_bases, messages, sessions

Role = Literal["user", "assistant"]
MessageState = Literal["complete", "stopped", "failed"]

TITLE_CHARACTERS = 80
_COMMENT_CHARACTERS = 2000
_KEPT = ("role", "text", "state", "question", "citations", "sentences", "refused", "model", "timings")
"""Fields of a message that are columns too."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A conversation; `settings` is what was chosen besides the knowledge bases."""

    id: str
    title: str
    knowledge_bases: tuple[str, ...]
    """Names; those deleted meanwhile are left out."""
    settings: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """Something said. What only answers have is empty for questions.

    `citations` and `sentences` are plain JSON, as they were shown.
    """

    role: Role
    text: str
    state: MessageState = "complete"
    question: str = ""
    citations: list[dict[str, Any]] = field(default_factory=list)
    sentences: list[dict[str, Any]] = field(default_factory=list)
    refused: bool = False
    model: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    id: str = ""
    """Given when it is kept."""
    rating: int = 0
    """1 or -1 where somebody thought of it, else 0."""
    reason: str = ""


class SessionStore:
    """Keeps conversations. `owner` is whoever may see one: every method looks at that owner's only.

    Methods raise `SessionNotFoundError`, the same for a conversation of another owner as for none.
    Safe to be called from several threads at once.
    """

    def __init__(self, database: Database, *, deleted: Callable[[str], None] = lambda _: None) -> None:
        """`deleted` is told the id of every conversation that goes."""
        self._database = database
        self._deleted = deleted

    def create(
        self,
        owner: str | None,
        *,
        title: str = "",
        knowledge_bases: Sequence[str] = (),
        settings: dict[str, Any] | None = None,
    ) -> SessionInfo:
        """Begin a conversation; its id cannot be guessed."""
        session_id, moment = secrets.token_urlsafe(16), now()
        with self._database.write() as connection:
            connection.execute(
                insert(sessions).values(
                    id=session_id,
                    owner=owner,
                    title=_title(title),
                    knowledge_bases=_ids(connection, knowledge_bases),
                    settings=settings or {},
                    created_at=moment,
                    updated_at=moment,
                )
            )
            return _info(connection, _row(connection, owner, session_id))

    def sessions(self, owner: str | None, *, query: str = "", limit: int = 200) -> list[SessionInfo]:
        """The owner's conversations, the last used first; with `query`, those whose title or text has it."""
        statement = _of(owner).order_by(sessions.c.updated_at.desc(), sessions.c.id).limit(limit)
        if query.strip():
            said = select(messages.c.session_id).where(
                messages.c.text.icontains(query.strip(), autoescape=True)
            )
            title = sessions.c.title.icontains(query.strip(), autoescape=True)
            statement = statement.where(or_(title, sessions.c.id.in_(said)))
        with self._database.read() as connection:
            return [_info(connection, row) for row in connection.execute(statement).all()]

    def session(self, owner: str | None, session_id: str) -> SessionInfo:
        """One conversation."""
        with self._database.read() as connection:
            return _info(connection, _row(connection, owner, session_id))

    def update(
        self,
        owner: str | None,
        session_id: str,
        *,
        title: str | None = None,
        knowledge_bases: Sequence[str] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> SessionInfo:
        """Rename a conversation, or keep what is chosen in it."""
        with self._database.write() as connection:
            _row(connection, owner, session_id)
            values: dict[str, Any] = {}
            if title is not None:
                values["title"] = _title(title)
            if knowledge_bases is not None:
                values["knowledge_bases"] = _ids(connection, knowledge_bases)
            if settings is not None:
                values["settings"] = settings
            if values:
                connection.execute(update(sessions).where(sessions.c.id == session_id).values(values))
            return _info(connection, _row(connection, owner, session_id))

    def delete(self, owner: str | None, session_id: str) -> None:
        """Delete a conversation with all that was said."""
        with self._database.write() as connection:
            _row(connection, owner, session_id)
            connection.execute(delete(sessions).where(sessions.c.id == session_id))
        self._deleted(session_id)

    def messages(self, owner: str | None, session_id: str) -> list[Message]:
        """What was said, oldest first."""
        with self._database.read() as connection:
            _row(connection, owner, session_id)
            rows = connection.execute(
                select(messages, feedback.c.rating, feedback.c.reason)
                .outerjoin(feedback, feedback.c.message_id == messages.c.id)
                .where(messages.c.session_id == session_id)
                .order_by(messages.c.position)
            ).all()
        return [_message(row) for row in rows]

    def append(self, owner: str | None, session_id: str, said: Sequence[Message]) -> list[Message]:
        """Add messages at the end; they come back with their ids."""
        with self._database.write() as connection:
            _row(connection, owner, session_id)
            of_session = messages.c.session_id == session_id
            last = connection.execute(select(func.max(messages.c.position)).where(of_session)).scalar()
            first = 0 if last is None else last + 1
            ids = [secrets.token_urlsafe(16) for _ in said]
            for position, (message, message_id) in enumerate(zip(said, ids, strict=True), start=first):
                values = {name: getattr(message, name) for name in _KEPT}
                connection.execute(
                    insert(messages).values(
                        id=message_id, session_id=session_id, position=position, created_at=now(), **values
                    )
                )
            connection.execute(update(sessions).where(sessions.c.id == session_id).values(updated_at=now()))
        return self.messages(owner, session_id)[first:]

    def truncate(self, owner: str | None, session_id: str, count: int) -> None:
        """Keep the first `count` messages, so that what followed can be said anew."""
        with self._database.write() as connection:
            _row(connection, owner, session_id)
            kept = (
                select(messages.c.id)
                .where(messages.c.session_id == session_id)
                .order_by(messages.c.position)
                .limit(count)
            )
            connection.execute(
                delete(messages).where(messages.c.session_id == session_id, messages.c.id.not_in(kept))
            )

    def rate(
        self,
        owner: str | None,
        session_id: str,
        message_id: str,
        rating: int,
        *,
        reason: str = "",
        comment: str = "",
    ) -> None:
        """Note what is thought of an answer: 1 or -1; 0 takes it back.

        Raises `SessionNotFoundError` also where the conversation has no such answer.
        """
        if rating not in {-1, 0, 1}:
            raise ValueError(f"a rating is -1, 0 or 1, not {rating}")
        with self._database.write() as connection:
            _row(connection, owner, session_id)
            inside = (messages.c.session_id == session_id) & (messages.c.role == "assistant")
            found = select(messages.c.id).where(inside, messages.c.id == message_id)
            if connection.execute(found).first() is None:
                raise SessionNotFoundError("the conversation has no such answer", id=message_id)
            connection.execute(delete(feedback).where(feedback.c.message_id == message_id))
            if rating:
                connection.execute(
                    insert(feedback).values(
                        message_id=message_id,
                        rating=rating,
                        reason=reason,
                        comment=comment[:_COMMENT_CHARACTERS],
                        created_at=now(),
                    )
                )


def _of(owner: str | None) -> Select[Any]:
    # `== None` would be right in SQL too, but says it less clearly.
    return select(sessions).where(sessions.c.owner.is_(None) if owner is None else sessions.c.owner == owner)


def _row(connection: Connection, owner: str | None, session_id: str) -> Row[Any]:
    row = connection.execute(_of(owner).where(sessions.c.id == session_id)).first()
    if row is None:
        raise SessionNotFoundError(f"there is no conversation {session_id!r}", id=session_id)
    return row


def _info(connection: Connection, row: Row[Any]) -> SessionInfo:
    chosen = knowledge_bases.c.id.in_(row.knowledge_bases)
    names = connection.execute(select(knowledge_bases.c.name).where(chosen).order_by(knowledge_bases.c.name))
    return SessionInfo(
        row.id, row.title, tuple(names.scalars()), dict(row.settings), row.created_at, row.updated_at
    )


def _ids(connection: Connection, names: Sequence[str]) -> list[int]:
    found = select(knowledge_bases.c.id).where(knowledge_bases.c.name.in_(names))
    return sorted(connection.execute(found).scalars())


def _message(row: Row[Any]) -> Message:
    kept = {name: getattr(row, name) for name in _KEPT}
    return Message(**kept, id=row.id, rating=row.rating or 0, reason=row.reason or "")


def _title(title: str) -> str:
    return " ".join(title.split())[:TITLE_CHARACTERS]
