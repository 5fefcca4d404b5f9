"""From an exception to what a user is told: a code, a text in their language, an HTTP status."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

from app import messages
from app.errors import ApplicationError
from app.messages import Language, error_text, translate
from knowledge_base.errors import KnowledgeBaseError
from loaders.document import Problem, plain_details
from loaders.errors import LoaderError
from models.errors import ModelError
from vectorstore.errors import VectorStoreError

KNOWN = (ApplicationError, KnowledgeBaseError, LoaderError, ModelError, VectorStoreError)

STATUS = {
    "invalid_setting": 500,
    "invalid_question": 422,
    "invalid_question_set": 422,
    "sources_not_found": 422,
    "evaluation_run_not_found": 404,
    "evaluation_running": 409,
    "evaluation_runs_differ": 409,
    "knowledge_base_not_found": 404,
    "knowledge_base_exists": 409,
    "invalid_name": 422,
    "document_not_found": 404,
    "session_not_found": 404,
    "document_exists": 409,
    "chunk_not_found": 404,
    "invalid_chunk": 422,
    "job_not_found": 404,
    "job_state": 409,
    "queue_full": 429,
    "embedder_changed": 409,
    "rebuilt_meanwhile": 409,
    "nothing_kept": 409,
    "data_folder": 507,
    "disk_full": 507,
    "catalogue_damaged": 500,
    "files_missing": 409,
    "folder_not_empty": 409,
    "invalid_package": 422,
    "package_version": 422,
    "unreadable_file": 422,
    "empty_file": 422,
    "no_text": 422,
    "unsupported_format": 415,
    "damaged_file": 422,
    "encrypted_file": 422,
    "limit_exceeded": 413,
    "out_of_memory": 413,
    "cancelled": 409,
    "temporary_folder": 507,
    "model_not_found": 503,
    "model_unavailable": 503,
    "model_key_refused": 503,
    "model_request_refused": 503,
    "model_out_of_memory": 503,
    "model_timeout": 504,
    "model_package_missing": 503,
    "recognition_failed": 503,
    "model_error": 503,
    "invalid_checkpoint": 422,
    "file_not_found": 404,
    "empty_folder": 409,
    "page_not_found": 404,
    "page_not_drawn": 422,
    "not_a_file": 422,
    "outside_link": 422,
    "usage": 422,
    "unreadable_text": 422,
    "request_too_large": 413,
    "repeated_name": 422,
    "no_file": 422,
    "too_many_files": 413,
    "unknown_model": 404,
    "no_sources": 422,
    "invalid_prompt": 422,
    "key_needed": 401,
    "forbidden": 403,
    "key_not_found": 404,
    "no_key_made": 500,
    "one_process": 500,
    "foreign_host": 403,
    "too_many_requests": 429,
    "request_timeout": 408,
    "prompt_too_long": 422,
    "model_needed": 422,
    "application_error": 500,
    "knowledge_base_error": 500,
    "index_error": 500,
    "index_input": 500,
    "index_files": 503,
    "libreoffice_missing": 415,
}
"""HTTP status by the code of every error of ours; what is not ours is an internal error, 500."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a user is told about an error."""

    code: str
    message: str
    status: int
    details: dict[str, Any]

    @classmethod
    def of(cls, error: Exception, language: Language) -> Failure:
        """Describe an error; one that is not ours tells nothing of the inside."""
        if not isinstance(error, KNOWN):
            return cls("internal_error", error_text("internal_error", language, ""), 500, {})
        details = plain_details(error.details)
        message = error_text(error.code, language, str(error), **details)
        if "finding" in details:
            message += translate(f"finding.{details['finding']}", language, **details)
        return cls(error.code, message, STATUS.get(error.code, 500), details)

    def body(self) -> dict[str, Any]:
        """The error object of the interfaces."""
        return {"code": self.code, "message": self.message, "details": self.details}


def problem_text(problem: Problem, language: Language, *, name: str) -> str:
    """What to tell a user about a document's problem."""
    return messages.problem_text(problem.code, language, problem.message, **{"name": name, **problem.details})


def terminal_language(setting: Language | Literal["auto"] = "auto") -> Language:
    """The language set, else that of the terminal; Chinese unless its locale names another."""
    if setting != "auto":
        return setting
    locale = next((v for n in ("LC_ALL", "LC_MESSAGES", "LANG") if (v := os.environ.get(n))), "")
    return "zh" if locale.split(".")[0] in {"", "C", "POSIX"} or locale.startswith("zh") else "en"
