"""Errors of the search index."""

from __future__ import annotations


class VectorStoreError(Exception):
    """Base of this package's errors."""

    code = "index_error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details


class IndexInputError(VectorStoreError):
    """What was given to the index does not fit it."""

    code = "index_input"


class IndexFilesError(VectorStoreError):
    """The index's files are missing, damaged or of another version; rebuild from the catalogue."""

    code = "index_files"
