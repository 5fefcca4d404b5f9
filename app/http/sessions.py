"""Routes of conversations kept on the server: a key's own, or everybody's where no keys are used."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.http.common import ServiceDep, Utf8Route
from app.replies import Session, SessionMessage
from app.service import Service
from knowledge_base.sessions import Message, SessionInfo

router = APIRouter(prefix="/api/sessions", tags=["sessions"], route_class=Utf8Route)

_OWNER = None
"""Stands for the key that asks: whoever it is, the service knows better."""

_SETTINGS_CHARACTERS = 16_384
_SETTINGS_LEVELS = 16


def _small(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, which every list of conversations holds."""
    _check_levels(settings, _SETTINGS_LEVELS)
    if len(json.dumps(settings, allow_nan=False)) > _SETTINGS_CHARACTERS:
        raise ValueError(f"more than {_SETTINGS_CHARACTERS} characters of JSON")
    return settings


def _check_levels(value: Any, levels: int) -> None:
    if not levels:
        raise ValueError(f"nested more than {_SETTINGS_LEVELS} levels deep")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        _check_levels(each, levels - 1)


Names = Annotated[list[str], Field(max_length=100)]
Chosen = Annotated[dict[str, Any], AfterValidator(_small)]


class SessionList(BaseModel):
    """Conversations, the last used first."""

    sessions: list[Session]


class NewSession(BaseModel):
    """A conversation to begin; without a title its first question becomes it."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"title": "差旅", "knowledge_bases": ["制度"]}]},
    )

    title: str = Field("", max_length=500)
    knowledge_bases: Names = []
    settings: Chosen = {}


class SessionChange(BaseModel):
    """What to change of a conversation."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"title": "出差补贴"}]}
    )

    title: str | None = Field(None, max_length=500)
    knowledge_bases: Names | None = None
    settings: Chosen | None = None


class MessageList(BaseModel):
    """What was said, oldest first."""

    messages: list[SessionMessage]


class Feedback(BaseModel):
    """What is thought of an answer: 1 or -1, 0 takes it back; a code for the reason, and words."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"rating": -1, "reason": "wrong_source"}]},
    )

    rating: Literal[-1, 0, 1]
    reason: str = Field("", max_length=100)
    comment: str = Field("", max_length=2000)


@router.get("")
def list_sessions(
    service: ServiceDep, query: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> SessionList:
    """Conversations, the last used first; with `query`, those whose title or text has it."""
    found = service.sessions.sessions(_OWNER, query=query, limit=limit)
    return SessionList(sessions=[Session.model_validate(info) for info in found])


@router.post("", status_code=201)
def create_session(body: NewSession, service: ServiceDep) -> Session:
    """Begin a conversation; its id cannot be guessed."""
    for name in body.knowledge_bases:
        service.key(name)
    info = service.sessions.create(
        _OWNER, title=body.title, knowledge_bases=body.knowledge_bases, settings=body.settings
    )
    return Session.model_validate(info)


@router.get("/{session_id}")
def get_session(session_id: str, service: ServiceDep) -> Session:
    """One conversation."""
    return Session.model_validate(service.sessions.session(_OWNER, session_id))


@router.patch("/{session_id}")
def change_session(session_id: str, body: SessionChange, service: ServiceDep) -> Session:
    """Rename a conversation, or keep what is chosen in it."""
    for name in body.knowledge_bases or ():
        service.key(name)
    info = service.sessions.update(
        _OWNER,
        session_id,
        title=body.title,
        knowledge_bases=body.knowledge_bases,
        settings=body.settings,
    )
    return Session.model_validate(info)


@router.delete("/{session_id}", status_code=204)
def delete_session(session_id: str, service: ServiceDep) -> None:
    """Delete a conversation with all that was said and its files."""
    service.sessions.delete(_OWNER, session_id)


@router.get("/{session_id}/messages")
def list_messages(session_id: str, service: ServiceDep) -> MessageList:
    """What was said, oldest first."""
    found = service.sessions.messages(_OWNER, session_id)
    return MessageList(messages=[SessionMessage.model_validate(message) for message in found])


@router.put("/{session_id}/messages/{message_id}/feedback", status_code=204)
def rate_answer(session_id: str, message_id: str, body: Feedback, service: ServiceDep) -> None:
    """Say what is thought of an answer."""
    service.sessions.rate(
        _OWNER, session_id, message_id, body.rating, reason=body.reason, comment=body.comment
    )


@router.get("/{session_id}/export", response_class=Response)
def export_session(
    session_id: str, service: ServiceDep, format: Literal["json", "markdown"] = "json"
) -> Response:
    """The whole conversation as a file."""
    info, said = _whole(service, session_id)
    ending = "md" if format == "markdown" else "json"
    headers = {"Content-Disposition": f'attachment; filename="conversation.{ending}"'}
    if format == "markdown":
        return PlainTextResponse(_markdown(info, said), media_type="text/markdown", headers=headers)
    whole = {
        **Session.model_validate(info).model_dump(mode="json"),
        "messages": [asdict(message) for message in said],
    }
    return JSONResponse(whole, headers=headers)


def _whole(service: Service, session_id: str) -> tuple[SessionInfo, list[Message]]:
    info = service.sessions.session(_OWNER, session_id)
    return info, service.sessions.messages(_OWNER, session_id)


def _markdown(info: SessionInfo, said: list[Message]) -> str:
    parts = [f"# {info.title}"]
    for message in said:
        if message.role == "user":
            parts.append(f"## {message.text}")
            continue
        parts.append(message.text)
        sources = [
            f"- [{c.get('index')}] {c.get('document')}" + (f", p. {c['page']}" if c.get("page") else "")
            for c in message.citations
        ]
        if sources:
            parts.append("\n".join(sources))
    return "\n\n".join(parts) + "\n"
