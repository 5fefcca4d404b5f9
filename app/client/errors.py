"""What a client's request can end with, by kind; the service's own code and words are kept."""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import ValidationError

from app.replies import ErrorDetail, ErrorResponse


class ClientError(Exception):
    """Base of all errors of the client. `code` is the service's, as listed in docs/errors.md."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "client_error",
        status: int | None = None,
        details: dict[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        """`status` is None where no answer came, and in a stream that broke off."""
        super().__init__(message)
        self.code = code
        self.status = status
        self.details = details or {}
        self.request_id = request_id


class UnreachableError(ClientError):
    """No answer came, or it ended too soon."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="unreachable")


class JobTimeoutError(ClientError):
    """A job has not ended in the time it was waited for; it goes on."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="job_timeout")


class InvalidRequestError(ClientError):
    """The request is wrong in itself (400, 413, 415, 422)."""


class KeyNeededError(ClientError):
    """No key, or one that opens nothing (401)."""


class ForbiddenError(ClientError):
    """The key's role is too low, or the request comes from elsewhere (403)."""


class NotFoundError(ClientError):
    """What was asked for is not there, or the key does not see it (404)."""


class ConflictError(ClientError):
    """What is there stands against it (409)."""


class TooManyRequestsError(ClientError):
    """Try again after `retry_after` seconds (429)."""

    retry_after: float = 5.0


class ServiceError(ClientError):
    """The service failed, or a model that it needs does not answer (5xx)."""


class BrokenStreamError(ClientError):
    """An answer broke off while it was written."""


_KINDS: dict[int, type[ClientError]] = {
    401: KeyNeededError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: TooManyRequestsError,
}


def error_of(reply: httpx.Response) -> ClientError:
    """The error that an answer with a status of 400 or more tells; its body has been read."""
    status = reply.status_code
    kind = ServiceError if status >= 500 else _KINDS.get(status, InvalidRequestError)
    try:
        told = ErrorResponse.model_validate_json(reply.content).error
    except ValidationError:  # of a proxy between us and the service
        told = ErrorDetail(code="client_error", message=reply.reason_phrase, details={})
    error = kind(
        told.message, code=told.code, status=status, details=told.details, request_id=told.request_id
    )
    if isinstance(error, TooManyRequestsError):
        wait = reply.headers.get("Retry-After", "")
        error.retry_after = float(wait) if wait.isdigit() else error.retry_after
    return error
