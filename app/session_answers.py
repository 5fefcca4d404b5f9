"""Answers in a conversation that is kept: its history goes in, and what is said is added."""

from __future__ import annotations

from collections.abc import Iterator

from app import schemas
from app.answering.types import Event, Final, Token, Turn
from knowledge_base.sessions import Message, MessageState, SessionStore


def history(sessions: SessionStore, owner: str | None, session_id: str) -> list[Turn]:
    """The turns so far; questions whose answer failed are left out."""
    turns: list[Turn] = []
    question = ""
    for message in sessions.messages(owner, session_id):
        if message.role == "user":
            question = message.text
        elif message.state != "failed":
            turns.append(Turn(question, message.text))
    return turns


def kept(
    events: Iterator[Event], sessions: SessionStore, owner: str | None, session_id: str, question: str
) -> Iterator[Event]:
    """`events` as they come; question and answer are in the conversation before the last one is given.

    An answer that was broken off is kept as far as it came, as stopped or failed.
    """
    text: list[str] = []
    state: MessageState = "stopped"
    final: Final | None = None
    try:
        for event in events:
            if isinstance(event, Final):
                final, state = event, "complete"
                break
            if isinstance(event, Token):
                text.append(event.text)
            yield event
    except Exception:
        state = "failed"
        raise
    finally:
        asked = Message("user", question)
        if final is None:
            answered = Message("assistant", "".join(text), state=state)
        else:
            answer = schemas.answer(final.answer).model_dump(mode="json")
            answered = Message(
                "assistant",
                answer["answer"],
                question=answer["question"],
                citations=answer["citations"],
                sentences=answer["sentences"],
                refused=answer["refused"],
                model=answer["model"],
                timings=answer["timings"],
            )
        first = not sessions.messages(owner, session_id)
        sessions.append(owner, session_id, [asked, answered])
        if first and not sessions.session(owner, session_id).title:
            sessions.update(owner, session_id, title=question)
    if final is not None:
        yield final
