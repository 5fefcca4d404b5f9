"""Errors of loading. Each has a `code`, under which the user's language is looked up."""

from __future__ import annotations


class LoaderError(Exception):
    """A file cannot be read. `details` fill the message shown to users."""

    code = "unreadable_file"
    retryable = False
    """Whether the same file may be read another time, because the failure lay outside it."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details


class EmptyFileError(LoaderError):
    """The file has no bytes."""

    code = "empty_file"


class NoTextError(LoaderError):
    """The file was read, and no text was found in it."""

    code = "no_text"


class UnsupportedFormatError(LoaderError):
    """No loader reads this kind of file."""

    code = "unsupported_format"


class DamagedFileError(LoaderError):
    """The file is cut short or broken."""

    code = "damaged_file"


class EncryptedFileError(LoaderError):
    """The file asks for a password."""

    code = "encrypted_file"


class LimitExceededError(LoaderError):
    """The file is larger than a limit in the settings, which `details["limit"]` names."""

    code = "limit_exceeded"


class OutOfMemoryError(LimitExceededError):
    """Reading the file takes more memory than `limits.parser_memory_bytes`."""

    code = "out_of_memory"


class LoadInterruptedError(LoaderError):
    """Something outside the file ended the load. No loader may turn it into a problem of a part."""


class LoadingCancelledError(LoadInterruptedError):
    """The caller cancelled between two pages."""

    code = "cancelled"


class RecognitionFailedError(LoadInterruptedError):
    """The OCR engine cannot be built or has failed."""

    code = "recognition_failed"
    retryable = True


class TemporaryFolderError(LoadInterruptedError):
    """A temporary file cannot be written: no room, or no rights."""

    code = "temporary_folder"
    retryable = True


class PageNotFoundError(LoaderError):
    """The file has no page of that number."""

    code = "page_not_found"


class PageNotDrawnError(LoaderError):
    """A page takes too long or too much memory to be drawn, or crashes what draws it."""

    code = "page_not_drawn"
