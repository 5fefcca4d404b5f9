"""Errors of the application itself."""

from __future__ import annotations


class ApplicationError(Exception):
    """Base of this package's errors. `details` fill the message shown to users."""

    code = "application_error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details


class SettingsError(ApplicationError):
    """A setting is unknown or has no valid value."""

    code = "invalid_setting"


class QuestionError(ApplicationError):
    """A question is empty or too long."""

    code = "invalid_question"


class PromptTooLongError(ApplicationError):
    """A question is longer than the chat model can read at once."""

    code = "prompt_too_long"


class ModelNeededError(ApplicationError):
    """A request can only be answered by a chat model, and none is chosen."""

    code = "model_needed"


class PromptError(ApplicationError):
    """A prompt of a knowledge base lacks a variable, or has one that means nothing."""

    code = "invalid_prompt"


class UnknownModelError(ApplicationError):
    """A request names a chat model that the settings do not."""

    code = "unknown_model"


class EvaluationFileError(ApplicationError):
    """A question set cannot be read."""

    code = "invalid_question_set"


class SourcesNotFoundError(ApplicationError):
    """A question set names documents that are not in the knowledge bases it is asked of."""

    code = "sources_not_found"


class EvaluationCancelledError(ApplicationError):
    """An evaluation was cancelled before its first configuration was done."""

    code = "cancelled"


class EvaluationRunningError(ApplicationError):
    """An evaluation is to begin while another one is running."""

    code = "evaluation_running"


class EvaluationRunNotFoundError(ApplicationError):
    """No evaluation of that name was kept."""

    code = "evaluation_run_not_found"


class EvaluationRunsDifferError(ApplicationError):
    """Two evaluations did not ask the same questions, so that their figures say nothing."""

    code = "evaluation_runs_differ"


class EmptyFolderError(ApplicationError):
    """A folder that is mirrored holds no file any more; perhaps it is not mounted."""

    code = "empty_folder"


class FileNotFoundOnDiskError(ApplicationError):
    """A path given on the command line is no readable file."""

    code = "file_not_found"


class UploadError(ApplicationError):
    """An upload holds no file."""

    code = "no_file"


class NotAFileError(ApplicationError):
    """A path given on the command line is a pipe, a socket or a device."""

    code = "not_a_file"


class OutsideLinkError(ApplicationError):
    """A link found in a folder leads out of it."""

    code = "outside_link"


class UsageError(ApplicationError):
    """A command is not used as its help says."""

    code = "usage"


class UnreadableTextError(ApplicationError):
    """A request's body is no text, or text with characters that cannot be."""

    code = "unreadable_text"


class RequestTooLargeError(ApplicationError):
    """The body of a request, or an upload with all its files, is larger than its limit."""

    code = "request_too_large"


class RepeatedNameError(ApplicationError):
    """Several files are given under one name, of which each would replace the one before."""

    code = "repeated_name"


class TooManyFilesError(ApplicationError):
    """An upload holds more files than the settings allow."""

    code = "too_many_files"


class KeyNeededError(ApplicationError):
    """A request carries no key, or one that opens nothing."""

    code = "key_needed"


class ForbiddenError(ApplicationError):
    """The key's role is too low for what was asked."""

    code = "forbidden"


class NoKeyMadeError(ApplicationError):
    """The service was to listen on an address that others reach, with no key to keep them out."""

    code = "no_key_made"


class ForeignHostError(ApplicationError):
    """A request names a host, or comes from a page, that is none of ours."""

    code = "foreign_host"


class TooManyRequestsError(ApplicationError):
    """More requests, or answers at once, than the settings allow; try again later."""

    code = "too_many_requests"


class RequestTimeoutError(ApplicationError):
    """The body of a request did not come within the time allowed."""

    code = "request_timeout"


class WorkersError(ApplicationError):
    """More than one process was asked for."""

    code = "one_process"


class NoSourcesError(ApplicationError):
    """A question over documents names no knowledge base, and neither does its conversation."""

    code = "no_sources"
