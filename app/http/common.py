"""What the routes share: the service, the reader's language, the error format."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel

from app.messages import Language
from app.service import Service


class ErrorDetail(BaseModel):
    """An error: `code` for programs, `message` for people."""

    code: str
    message: str
    details: dict[str, Any]


class ErrorResponse(BaseModel):
    """The body of every answer with a status of 400 or more."""

    error: ErrorDetail


def get_service(request: Request) -> Service:
    """The service that the application was made with."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


def request_language(request: Request) -> Language:
    """The first of Chinese and English that the client accepts; without a wish, the setting's."""
    for part in request.headers.get("accept-language", "").lower().split(","):
        tag = part.strip()[:2]
        if tag == "zh":
            return "zh"
        if tag == "en":
            return "en"
    setting = get_service(request).settings.language
    return "zh" if setting == "auto" else setting


LanguageDep = Annotated[Language, Depends(request_language)]
