"""Errors of the knowledge base. Each has a `code`, under which the user's language is looked up."""

from __future__ import annotations

import errno

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}


class KnowledgeBaseError(Exception):
    """Base of this package's errors. `details` fill the message shown to users."""

    code = "knowledge_base_error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details


class KnowledgeBaseNotFoundError(KnowledgeBaseError):
    """There is no knowledge base of that name."""

    code = "knowledge_base_not_found"


class KnowledgeBaseExistsError(KnowledgeBaseError):
    """A knowledge base of that name is there already."""

    code = "knowledge_base_exists"


class InvalidNameError(KnowledgeBaseError):
    """A name is empty, too long, holds control characters, or would be a path."""

    code = "invalid_name"


class DocumentNotFoundError(KnowledgeBaseError):
    """There is no such document in the knowledge base."""

    code = "document_not_found"


class DocumentExistsError(KnowledgeBaseError):
    """Another document of the knowledge base goes by that name."""

    code = "document_exists"


class ChunkNotFoundError(KnowledgeBaseError):
    """There is no such chunk in the knowledge base."""

    code = "chunk_not_found"


class InvalidChunkError(KnowledgeBaseError):
    """A chunk's text is empty or too long, or an edit does not say which chunk it is about."""

    code = "invalid_chunk"


class SessionNotFoundError(KnowledgeBaseError):
    """There is no such conversation, or it is another one's."""

    code = "session_not_found"


class JobNotFoundError(KnowledgeBaseError):
    """There is no such job."""

    code = "job_not_found"


class JobStateError(KnowledgeBaseError):
    """The job cannot be cancelled or tried again in the state it is in."""

    code = "job_state"


class QueueFullError(KnowledgeBaseError):
    """Too many jobs are waiting; try again later."""

    code = "queue_full"


class EmbedderChangedError(KnowledgeBaseError):
    """The knowledge base was made with another embedder; rebuild it first."""

    code = "embedder_changed"


class RebuiltMeanwhileError(KnowledgeBaseError):
    """Another process has rebuilt the knowledge base, or begun to, so that this rebuild came to nothing."""

    code = "rebuilt_meanwhile"


class NothingKeptError(KnowledgeBaseError):
    """Nothing is kept from before a rebuild, so there is nothing to go back to."""

    code = "nothing_kept"


class DataFolderError(KnowledgeBaseError):
    """The data folder cannot be used: rights, space, or data of a newer version."""

    code = "data_folder"


class DiskFullError(DataFolderError):
    """There is no room left on the disk of the data folder."""

    code = "disk_full"


class FilesMissingError(KnowledgeBaseError):
    """Files of `documents` are lost, which an export has to hold."""

    code = "files_missing"


class FolderNotEmptyError(KnowledgeBaseError):
    """A folder that is to be filled holds something already."""

    code = "folder_not_empty"


class PackageError(KnowledgeBaseError):
    """An export or a backup is damaged, or was not made by this application; `finding` says what is wrong."""

    code = "invalid_package"


class PackageVersionError(KnowledgeBaseError):
    """An export or a backup was made by a newer version."""

    code = "package_version"


class CatalogueDamagedError(KnowledgeBaseError):
    """A part of the catalogue's file cannot be read; the rest can."""

    code = "catalogue_damaged"


class KeyNotFoundError(KnowledgeBaseError):
    """There is no such key of the HTTP interface."""

    code = "key_not_found"


def storage_error(message: str, error: OSError, **details: object) -> DataFolderError:
    """What is said of an `OSError` while writing: `DiskFullError` where there is no room."""
    kind = DiskFullError if error.errno in _FULL else DataFolderError
    return kind(f"{message}: {error.strerror}", reason=str(error.strerror), **details)
